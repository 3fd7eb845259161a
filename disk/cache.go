package disk

import "sync"

// cache keeps pieces of data by their numbers, one in each slot. It may be used concurrently;
// what two want at once is made once.
type cache []slot

type slot struct {
	mu   sync.Mutex
	key  int64 // -1 for none
	data []byte
}

func newCache(slots int) cache {
	c := make(cache, slots)
	for i := range c {
		c[i].key = -1
	}
	return c
}

// use calls look with the piece of a number, which fill makes if it is not there; fill may
// reuse the memory that it is given.
func (c cache) use(key int64, fill func([]byte) ([]byte, error), look func([]byte)) error {
	s := &c[key%int64(len(c))]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != key {
		s.key = -1
		data, err := fill(s.data)
		if err != nil {
			return err
		}
		s.key, s.data = key, data
	}
	look(s.data)
	return nil
}
