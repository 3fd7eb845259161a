package stream

import (
	"fmt"
	"strings"
)

// objTypeNames are the names that dmu.h has behind DMU_OT_, by number.
var objTypeNames = [...]string{"NONE", "OBJECT_DIRECTORY", "OBJECT_ARRAY", "PACKED_NVLIST", "PACKED_NVLIST_SIZE", "BPOBJ",
	"BPOBJ_HDR", "SPACE_MAP_HEADER", "SPACE_MAP", "INTENT_LOG", "DNODE", "OBJSET", "DSL_DIR", "DSL_DIR_CHILD_MAP",
	"DSL_DS_SNAP_MAP", "DSL_PROPS", "DSL_DATASET", "ZNODE", "OLDACL", "PLAIN_FILE_CONTENTS", "DIRECTORY_CONTENTS",
	"MASTER_NODE", "UNLINKED_SET", "ZVOL", "ZVOL_PROP", "PLAIN_OTHER", "UINT64_OTHER", "ZAP_OTHER", "ERROR_LOG",
	"SPA_HISTORY", "SPA_HISTORY_OFFSETS", "POOL_PROPS", "DSL_PERMS", "ACL", "SYSACL", "FUID", "FUID_SIZE", "NEXT_CLONES",
	"SCAN_QUEUE", "USERGROUP_USED", "USERGROUP_QUOTA", "USERREFS", "DDT_ZAP", "DDT_STATS", "SA", "SA_MASTER_NODE",
	"SA_ATTR_REGISTRATION", "SA_ATTR_LAYOUTS", "SCAN_XLATE", "DEDUP", "DEADLIST", "DEADLIST_HDR", "DSL_CLONES",
	"BPOBJ_SUBOBJ"}

// swapNames are the classes of contents of types that describe themselves (dmu_object_byteswap).
var swapNames = [...]string{"UINT8", "UINT16", "UINT32", "UINT64", "ZAP", "DNODE", "OBJSET", "ZNODE", "OLDACL", "ACL"}

// Bits of a type that describes itself, beside objNewTypeFlag.
const (
	objMetadata  = 0x40
	objEncrypted = 0x20
)

// ObjTypeName is the name of a type of object, bonus or spill in dmu.h, without DMU_OT_ or
// DMU_OTN_, such as PLAIN_FILE_CONTENTS or ZAP_METADATA; "object type N" for an unknown one.
func ObjTypeName(t uint32) string {
	if t < uint32(len(objTypeNames)) {
		return objTypeNames[t]
	}
	class := t &^ (objNewTypeFlag | objMetadata | objEncrypted)
	if t&objNewTypeFlag == 0 || class >= uint32(len(swapNames)) {
		return fmt.Sprintf("object type %d", t)
	}
	name := []string{swapNames[class]}
	if t&objEncrypted != 0 {
		name = append(name, "ENC")
	}
	if t&objMetadata != 0 {
		return strings.Join(append(name, "METADATA"), "_")
	}
	return strings.Join(append(name, "DATA"), "_")
}

// String is the name of the type, "objset type N" for one that is not sent.
func (t ObjsetType) String() string {
	switch t {
	case ObjsetNone:
		return "none"
	case ObjsetZFS:
		return "filesystem"
	case ObjsetZvol:
		return "volume"
	}
	return fmt.Sprintf("objset type %d", uint32(t))
}
