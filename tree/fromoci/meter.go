package fromoci

import "imagetools/internal/budget"

// meter counts what is held while layers are laid over each other. After an error, which stays,
// it counts no more: whoever works for long looks at it now and then.
type meter struct {
	budget *budget.Budget
	held   int64
	err    error
}

// What an entry of a pathMap takes with its place in the map above it, and one of the other maps.
const (
	pathCost  = 288
	entryCost = 64
)

func (m *meter) hold(n int64, what string) {
	if m.err == nil {
		if m.err = m.budget.Hold(n, what); m.err == nil {
			m.held += n
		}
	}
}

// release counts all as no longer held.
func (m *meter) release() {
	m.budget.Release(m.held)
	m.held = 0
}
