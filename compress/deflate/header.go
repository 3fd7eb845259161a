package deflate

// A codeHeader describes the two codes of a dynamic block (RFC 1951, section 3.2.7): their code
// lengths, run-length encoded, in a prefix code of its own.
type codeHeader struct {
	litLens, dists int // lengths described: HLIT + 257, HDIST + 1
	orders         int // HCLEN + 4
	items          []headerItem
	code           prefixCode
}

// A headerItem is a code length 0 to 15, or a repetition with its extra bits.
type headerItem struct {
	symbol    uint8
	extra     uint8
	extraBits uint8
}

const (
	headerSymbols     = 19
	headerCodeBits    = 7
	repeatPrevious    = 16 // 3 to 6 times, 2 extra bits
	repeatZero        = 17 // 3 to 10 times, 3 extra bits
	repeatZeroLong    = 18 // 11 to 138 times, 7 extra bits
	headerFixedFields = 5 + 5 + 4
)

// headerOrder is the order in which the lengths of the header's own code are written.
var headerOrder = [headerSymbols]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// describe prepares the header and returns its size in bits.
func (h *codeHeader) describe(huffman *huffmanBuilder, litLen, dist *prefixCode) uint64 {
	h.litLens, h.dists = litLenSymbols, distSymbols
	for h.litLens > firstLength && litLen.length[h.litLens-1] == 0 {
		h.litLens--
	}
	for h.dists > 1 && dist.length[h.dists-1] == 0 {
		h.dists--
	}
	var lengths [litLenSymbols + distSymbols]uint8
	copy(lengths[:], litLen.length[:h.litLens])
	copy(lengths[h.litLens:], dist.length[:h.dists])
	h.items = h.items[:0]
	for rest := lengths[:h.litLens+h.dists]; len(rest) > 0; {
		run := 1
		for run < len(rest) && rest[run] == rest[0] {
			run++
		}
		h.addRun(rest[0], run)
		rest = rest[run:]
	}

	var counts [headerSymbols]uint32
	for _, item := range h.items {
		counts[item.symbol]++
	}
	huffman.build(&h.code, counts[:], headerCodeBits)
	h.orders = headerSymbols
	for h.orders > 4 && h.code.length[headerOrder[h.orders-1]] == 0 {
		h.orders--
	}
	n := uint64(3 + headerFixedFields + 3*h.orders)
	for _, item := range h.items {
		n += uint64(h.code.length[item.symbol]) + uint64(item.extraBits)
	}
	return n
}

// addRun encodes the same length run times.
func (h *codeHeader) addRun(length uint8, run int) {
	if length == 0 {
		for run >= 11 {
			n := min(run, 138)
			h.items = append(h.items, headerItem{repeatZeroLong, uint8(n - 11), 7})
			run -= n
		}
		if run >= 3 {
			h.items = append(h.items, headerItem{repeatZero, uint8(run - 3), 3})
			run = 0
		}
	} else if run >= 4 {
		h.items = append(h.items, headerItem{symbol: length})
		run--
		for run >= 3 {
			n := min(run, 6)
			if run == 7 || run == 8 {
				n = run - 3 // leaves enough for another repetition
			}
			h.items = append(h.items, headerItem{repeatPrevious, uint8(n - 3), 2})
			run -= n
		}
	}
	for range run {
		h.items = append(h.items, headerItem{symbol: length})
	}
}

func (h *codeHeader) write(w *bitWriter) {
	w.reserve(512)
	w.write(uint64(h.litLens-firstLength), 5)
	w.write(uint64(h.dists-1), 5)
	w.write(uint64(h.orders-4), 4)
	for _, symbol := range headerOrder[:h.orders] {
		w.write(uint64(h.code.length[symbol]), 3)
	}
	for _, item := range h.items {
		n := h.code.length[item.symbol]
		w.write(uint64(h.code.code[item.symbol])|uint64(item.extra)<<n, uint(n+item.extraBits))
	}
}
