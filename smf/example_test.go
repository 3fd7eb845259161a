package smf_test

import (
	"fmt"
	"log"
	"os"

	"imagetools/smf"
)

func Example() {
	repo := &smf.Repository{Services: []*smf.Service{{
		Name: "site/hello",
		Instances: []*smf.Instance{{Name: "default", Groups: []*smf.Group{{
			Name: "general", Type: "framework",
			Properties: []*smf.Property{{Name: "enabled", Type: smf.Boolean, Values: []string{"1"}}},
		}}}},
	}}}
	db, err := repo.Encode() // repository.db
	if err != nil {
		log.Fatal(err)
	}

	again, err := smf.Decode(db)
	if err != nil {
		log.Fatal(err)
	}

	if err := again.WriteText(os.Stdout); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(smf.Diff(repo, again)), "changes")
	// Output:
	// service site/hello
	// instance site/hello:default
	//
	//	general framework 0
	//	  enabled b "1"
	//
	// 0 changes
}
