package customize_test

import (
	"testing"

	"imagetools/customize"
)

func TestWhat(t *testing.T) {
	for _, s := range customize.Steps() {
		if s.What() == "" {
			t.Errorf("step %s does not say what it does", s.Name)
		}
	}
}
