package base_test

import (
	"fmt"
	"log"

	"imagetools/base"
)

func Example() {
	c, err := base.ParseConfig("2024Q4-x86_64", "minimal-64", "24.4.0")
	if err != nil {
		log.Fatal(err)
	}

	img := base.Standard.Image(c)
	fmt.Println(img, img.Family(), img.Brand())
	fmt.Println(img.BootstrapFile())
	// Output:
	// 2024Q4-x86_64 minimal joyent
	// /var/tmp/basesetup/bootstrap-2024Q4-x86_64.tar.gz
}
