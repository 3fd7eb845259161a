package budget_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"imagetools/internal/budget"
)

func TestHold(t *testing.T) {
	t.Parallel()
	b := budget.New(budget.Fixed(1000))
	if err := b.Hold(600, "names"); err != nil {
		t.Fatal(err)
	}
	err := b.Hold(500, "extended attributes")
	over, ok := errors.AsType[*budget.Error](err)
	if !ok || !errors.Is(err, budget.ErrExceeded) || *over != (budget.Error{What: "extended attributes", Held: 600, Need: 500, Limit: 1000}) {
		t.Fatalf("error %+v", err)
	}
	if !strings.Contains(err.Error(), "extended attributes: memory limit exceeded") {
		t.Errorf("error %v", err)
	}
	if b.Held() != 600 {
		t.Errorf("%d bytes held after a refusal", b.Held())
	}
	b.Release(200)
	if err := b.Hold(500, "more"); err != nil {
		t.Errorf("after a release: %v", err)
	}
}

// The default grows with the files, and no further than Max.
func TestGrowthWithFiles(t *testing.T) {
	t.Parallel()
	b := budget.New(budget.Limits{})
	if err := b.Hold(budget.DefaultBase+1, "one value"); err == nil {
		t.Error("more than the base is held for no file")
	}
	for range 1000 {
		if err := b.HoldFile(0, "file"); err != nil {
			t.Fatal(err)
		}
	}
	if want := int64(budget.DefaultBase + 1000*budget.DefaultPerFile); b.Limit() != want {
		t.Errorf("limit %d for 1000 files, want %d", b.Limit(), want)
	}
	b.ReleaseFiles(1000)
	if b.Limit() != budget.DefaultBase {
		t.Errorf("limit %d after the files were released", b.Limit())
	}
	capped := budget.New(budget.Limits{Max: 700 << 20})
	for range 1 << 20 {
		if err := capped.HoldFile(0, "file"); err != nil {
			t.Fatal(err)
		}
	}
	if capped.Limit() != 700<<20 {
		t.Errorf("limit %d where the most is 700 MiB", capped.Limit())
	}
	if fixed := budget.New(budget.Fixed(99)); fixed.HoldFile(100, "file") == nil {
		t.Error("a fixed limit grew")
	}
}

func TestOnGrowth(t *testing.T) {
	t.Parallel()
	b := budget.New(budget.Limits{})
	var mu sync.Mutex
	calls, last := 0, int64(0)
	b.OnGrowth(func(held int64) {
		mu.Lock()
		defer mu.Unlock()
		calls, last = calls+1, max(last, held)
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1 << 10 {
				if err := b.Hold(16<<10, "data"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if b.Held() != 64<<20 {
		t.Errorf("%d bytes held", b.Held())
	}
	if calls < 10 || calls > 64 || last < 56<<20 {
		t.Errorf("%d calls, the last with %d bytes", calls, last)
	}
}
