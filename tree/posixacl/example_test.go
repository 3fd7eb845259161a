package posixacl_test

import (
	"fmt"
	"log"

	"imagetools/tree/posixacl"
)

func Example() {
	acl, err := posixacl.Parse("user::rw-,user:7:r--,group::r--,other::---", nil)
	if err != nil {
		log.Fatal(err)
	}

	value, err := posixacl.Encode(acl)
	if err != nil {
		log.Fatal(err)
	}

	again, err := posixacl.Decode(value) // the attribute system.posix_acl_access
	if err != nil {
		log.Fatal(err)
	}

	for _, e := range again {
		fmt.Printf("tag %#x: permissions %o\n", e.Tag, e.Perm)
	}
	// Output:
	// tag 0x1: permissions 6
	// tag 0x2: permissions 4
	// tag 0x4: permissions 4
	// tag 0x10: permissions 4
	// tag 0x20: permissions 0
}
