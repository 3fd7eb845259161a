// Package outputs holds the tests that attack what the program writes: by thieves and twins, by
// signals, with sources that change, and on disks that are full or fail. Whatever happens, a run
// that ends with 0 has written what an undisturbed one writes, and any other leaves nothing that
// the next one does not remove.
package outputs
