package list_test

import (
	"fmt"
	"log"

	"imagetools/smf/list"
)

func Example() {
	l, err := list.Parse("services", []byte("# what the image runs\nsystem/cron.xml\nnetwork/ssh.xml enabled\n"))
	if err != nil {
		log.Fatal(err)
	}

	for _, e := range l.Entries {
		fmt.Println(e.Line, e.Name, e.Status())
	}
	// Output:
	// 2 system/cron.xml disabled
	// 3 network/ssh.xml enabled
}
