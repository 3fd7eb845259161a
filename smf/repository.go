// Package smf models the content of an SMF repository: services, their instances, property groups and
// snapshots. A SmartOS zone takes its services from this database, /etc/svc/repository.db.
//
//	r, err := smf.Decode(db)
//	err = r.WriteText(os.Stdout)
//
// The numbers that connect the rows of the database are not part of the model. Two repositories with the
// same content are equal, whatever their numbers.
package smf

// Repository is what a repository holds. Services have unique names.
type Repository struct {
	Services []*Service `json:"services"`
}

// Service is a service without the "svc:/", such as "system/cron", and its instances.
type Service struct {
	Name      string      `json:"name"`
	Groups    []*Group    `json:"groups"`
	Instances []*Instance `json:"instances"`
}

// Instance is an instance of a service, by its own name alone, such as "default".
type Instance struct {
	Name      string      `json:"name"`
	Groups    []*Group    `json:"groups"`
	Snapshots []*Snapshot `json:"snapshots"`
}

// Group is a property group. Its name is unique in its service or instance.
type Group struct {
	Name       string      `json:"name"`
	Type       string      `json:"type"`
	Flags      uint32      `json:"flags"` // 0 in all that persists
	Properties []*Property `json:"properties"`
}

// Property has a name that is unique in its group, a type and any number of values in order.
type Property struct {
	Name   string   `json:"name"`
	Type   Type     `json:"type"`
	Values []string `json:"values"` // as the database has them: "1" for true, lower-case hex for opaque
}

// Type is the type of a property by the letters of the database.
type Type string

// The types of properties (object.c of svc.configd, libscf.h).
const (
	Boolean      Type = "b"
	Count        Type = "c"
	Integer      Type = "i"
	Timestamp    Type = "t"
	Opaque       Type = "o"
	AString      Type = "s"
	UString      Type = "su"
	URI          Type = "sU"
	FMRI         Type = "sf"
	Host         Type = "sh"
	Hostname     Type = "sN"
	NetAddress   Type = "sn"
	NetAddressV4 Type = "s4"
	NetAddressV6 Type = "s6"
)

// Snapshot is what an instance and its service were at some moment.
type Snapshot struct {
	Name   string  `json:"name"` // "initial", "last-import", "previous", "running"
	Levels []Level `json:"levels"`
}

// Level is one part of a snapshot: number 1 holds the groups of the instance, 2 those of
// the service.
type Level struct {
	Number   int      `json:"level"`
	Service  string   `json:"service"`
	Instance string   `json:"instance,omitempty"` // empty in level 2
	Groups   []*Group `json:"groups"`
}
