package smf_test

import (
	"fmt"
	"log"

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

	for _, p := range again.Services[0].Instances[0].Groups[0].Properties {
		fmt.Println(again.Services[0].Name, p.Name, p.Values)
	}
	fmt.Println(len(smf.Diff(repo, again)), "changes")
	// Output:
	// site/hello enabled [1]
	// 0 changes
}
