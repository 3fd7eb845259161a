package bundle_test

import (
	"fmt"
	"log"

	"imagetools/smf"
	"imagetools/smf/bundle"
)

func Example() {
	const manifest = `<?xml version="1.0"?>
<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">
<service_bundle type="manifest" name="hello">
<service name="site/hello" type="service" version="1">
<create_default_instance enabled="true"/>
</service>
</service_bundle>`

	b, err := bundle.Parse("hello.xml", []byte(manifest))
	if err != nil {
		log.Fatal(err)
	}

	repo := &smf.Repository{}
	if err := bundle.NewImporter(repo).Import(b); err != nil {
		log.Fatal(err)
	}
	for _, s := range repo.Services {
		fmt.Println(s.Name, s.Instances[0].Name)
	}
	// Output:
	// site/hello default
}
