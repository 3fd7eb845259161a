package fault_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"imagetools/fault"
)

var wayReplace = fault.NewWay("fault_test.replace")

func Example() {
	var faults fault.List
	faults.Check(len("") > 0, "the name is missing")
	faults.Add(fault.With(fmt.Errorf("web-1.0.json: %w", os.ErrExist), wayReplace, "web-1.0.json"))
	err := faults.Err()
	fmt.Println(err)
	if e, ok := errors.AsType[*fault.Error](err); ok {
		fmt.Println(e.Way, e.Args, fault.IsAsked(err))
	}
	// Output:
	// the name is missing
	// web-1.0.json: file already exists
	// fault_test.replace [web-1.0.json] true
}

func TestNothingIsNoFault(t *testing.T) {
	var faults fault.List
	faults.Add(nil, fault.Asked(nil), fault.With(nil, wayReplace))
	faults.Check(true, "no")
	if err := faults.Err(); err != nil {
		t.Error(err)
	}
}

func TestWaysAreUnique(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a second way of one name")
		}
	}()
	fault.NewWay(wayReplace.String())
}

func TestFaults(t *testing.T) {
	var f fault.Faults
	if f.Err() != nil {
		t.Error("no faults are an error")
	}
	for i := range 1000 {
		i = i * 7 % 1000
		f.Add(fmt.Sprintf("%03d", i), fmt.Errorf("fault %d", i))
	}
	got := strings.Split(f.Err().Error(), "\n")
	if len(got) != 21 || got[0] != "fault 0" || got[19] != "fault 19" || got[20] != "and 980 more of this kind" {
		t.Errorf("faults: %q", got)
	}
}
