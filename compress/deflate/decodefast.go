package deflate

import "encoding/binary"

// What fast keeps away from the ends, so that one round of it needs no checks: it reads ahead twice
// by words of 8 bytes, going on by 7 at most; it writes up to two literals and a match, by words.
const (
	fastInput  = 7 + 8
	fastMatch  = maxMatch + 16
	fastOutput = 2 + fastMatch
)

// fast decodes symbols until one that needs care is next: the end of the block, an invalid one, or
// any near the end of input or output.
//
// It is written for the processor: the state is in local variables, of count only the lowest 6
// bits count, and the next literal or length is looked up before the match before it is copied.
func (d *Decoder) fast() error {
	src, out := d.src[:len(d.src):len(d.src)], d.out[:len(d.out):len(d.out)]
	pos, at := d.pos, d.at
	if pos > len(src)-fastInput {
		return nil
	}
	var err error
	bits, count, pos := readAhead(src, pos, d.bits, d.count)
	e := d.litLen[bits&litLenMask]
	for pos <= len(src)-fastInput && at <= len(out)-fastOutput {
		// There are 56 bits: three codes take 11 each, or the third takes 15 and 5 extra bits.
		if e&entryLiteral != 0 {
			bits >>= e & 63
			count -= uint(e)
			out[at] = uint8(e >> entryValue)
			at++
			e = d.litLen[bits&litLenMask]
			if e&entryLiteral != 0 {
				bits >>= e & 63
				count -= uint(e)
				out[at] = uint8(e >> entryValue)
				at++
				e = d.litLen[bits&litLenMask]
				if e&entryLiteral != 0 {
					bits >>= e & 63
					count -= uint(e)
					out[at] = uint8(e >> entryValue)
					at++
					bits, count, pos = readAhead(src, pos, bits, count)
					e = d.litLen[bits&litLenMask]
					continue
				}
			}
		}
		if e&entrySpecial != 0 {
			if e&entryLink == 0 {
				break
			}
			sub := d.litLen[e.index(bits>>litLenBits)&(litLenTable-1)]
			if sub&entrySpecial != 0 {
				break
			}
			bits >>= litLenBits
			count -= litLenBits
			e = sub
			if e&entryLiteral != 0 {
				bits >>= e & 63
				count -= uint(e)
				out[at] = uint8(e >> entryValue)
				at++
				bits, count, pos = readAhead(src, pos, bits, count)
				e = d.litLen[bits&litLenMask]
				continue
			}
		}
		length := e.value(bits)
		bits >>= e & 63
		count -= uint(e)

		if count&63 < maxCodeBits+maxDistExtra {
			bits, count, pos = readAhead(src, pos, bits, count)
		}
		e = d.dist[bits&distMask]
		if e&entrySpecial != 0 {
			if e&entryLink != 0 {
				bits >>= distBits
				count -= distBits
				e = d.dist[e.index(bits)&(distTable-1)]
			}
			if e&entrySpecial != 0 {
				err = errSymbol
				break
			}
		}
		distance := e.value(bits)
		bits >>= e & 63
		count -= uint(e)
		from := at - distance
		if from < 0 {
			err = errDistance
			break
		}

		bits, count, pos = readAhead(src, pos, bits, count)
		e = d.litLen[bits&litLenMask]
		to, match := (*[fastMatch]byte)(out[at:]), (*[fastMatch]byte)(out[from:])
		at += length
		if distance >= 8 {
			// Most matches are shorter than 32.
			copyWord(to[0:], match[0:])
			copyWord(to[8:], match[8:])
			copyWord(to[16:], match[16:])
			copyWord(to[24:], match[24:])
			for i := 32; i < length; i += 8 {
				copyWord(to[i:i+8], match[i:i+8])
			}
			continue
		}
		period := binary.LittleEndian.Uint64(match[:]) & (1<<(8*distance&63) - 1)
		word, step := period*repeats[distance&7], int(wholePeriods[distance&7])
		for i := 0; i < length; i += step {
			binary.LittleEndian.PutUint64(to[i:i+8], word)
		}
	}
	d.pos, d.at = pos, at
	d.bits, d.count = bits, count&63
	d.unread()
	return err
}

// readAhead fills bits from the word at pos. Bits above count may have been set already, to what
// the word sets them to.
func readAhead(src []byte, pos int, bits uint64, count uint) (uint64, uint, int) {
	bits |= binary.LittleEndian.Uint64(src[pos:]) << (count & 63)
	return bits, count | 56, pos + int(^count&63>>3)
}

func copyWord(to, from []byte) {
	binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(from))
}

// By distance, for those below 8: the factor that repeats so many bytes through a word, and the
// bytes of the whole repetitions in it.
var (
	repeats = func() (t [8]uint64) {
		for distance := 1; distance < 8; distance++ {
			for at := 0; at < 8; at += distance {
				t[distance] |= 1 << (8 * at)
			}
		}
		return t
	}()
	wholePeriods = [8]uint8{1: 8, 2: 8, 3: 6, 4: 8, 5: 5, 6: 6, 7: 7}
)
