package nvlist_test

import (
	"fmt"
	"log"

	"imagetools/zfs/nvlist"
)

func Example() {
	data, err := nvlist.AppendXDR(nil, nvlist.List{
		{Name: "tosnap", Value: nvlist.String("final")},
		{Name: "recordsize", Value: nvlist.Number{Kind: nvlist.Uint64, Bits: 131072}},
	})
	if err != nil {
		log.Fatal(err)
	}

	list, err := nvlist.Decode(data)
	if err != nil {
		log.Fatal(err)
	}

	for _, pair := range list {
		fmt.Println(pair.Name, pair.Value)
	}
	// Output:
	// tosnap final
	// recordsize {UINT64 131072}
}
