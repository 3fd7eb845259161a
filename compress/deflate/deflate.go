// Package deflate compresses data in memory to the DEFLATE format of RFC 1951, and decompresses
// any stream of that format.
//
//	var enc deflate.Encoder
//	in := new(deflate.Input)
//	in.Fill(data)
//	stream := enc.Append(nil, in)
//
//	var dec deflate.Decoder
//	n, consumed, err := dec.Inflate(out, stream) // all at once, the size of out is known
//	out, consumed, err = dec.Append(out, piece)  // or piece by piece
//	r := deflate.NewReader(bufio.NewReader(file)) // or as an io.Reader
//
// The encoder has one level, made for file-system images: on a Debian root its output is 1.7 %
// smaller than that of gzip -9, in a seventh of its CPU time.
//
// # How it works
//
// A matcher keeps chains of the positions with equal four bytes; a parser takes matches from it
// by lazy matching, and counts symbols for each KiB of input. Neighbouring KiBs are then joined to
// blocks as long as one code for both is cheaper than two. Each block is written as the cheapest
// of the three types that the format has. All decisions are made with integers: the output
// depends on the input alone, not on the machine.
//
// The decoder looks up codes in tables that tell literals, lengths and distances with their extra
// bits. Where neither end is near, it works on words of 64 bits without further checks. It is as
// strict as zlib: on codes that are oversubscribed or incomplete, distances that reach before the
// output, and the like, see [CorruptError]. It never consumes input behind the end of the stream.
//
// # Limits
//
// An Input holds 4 MiB; there is no streaming across inputs. An Encoder takes about 2 MiB, and
// up to 3 MiB more for data of many short matches; it allocates nothing once it has grown.
// A Decoder takes 20 KiB, a Reader 310 KiB.
package deflate

// chunkBytes of input are parsed before they are divided into blocks.
const chunkBytes = 1 << 20

// An Encoder compresses. The zero value is ready. It is not safe for concurrent use.
type Encoder struct {
	parser
	blockWriter
}

// Append appends the compressed content of in to dst, as a complete stream that starts and ends on
// a byte, and returns the result.
func (e *Encoder) Append(dst []byte, in *Input) []byte {
	e.parser.reset(in)
	e.matchEnd = 0
	e.bitWriter = bitWriter{out: dst}
	for start := 0; ; {
		end := e.parse(start, min(start+chunkBytes, in.n))
		if in.n == 0 {
			e.segments = append(e.segments, segment{})
		}
		e.merge()
		e.writeBlocks(in.data[start:end], end == in.n)
		if start = end; start == in.n {
			break
		}
	}
	e.reserve(0)
	e.align()
	dst = e.out
	e.in, e.out = nil, nil
	return dst
}

// writeBlocks writes the merged segments of src, final if these end the stream.
func (e *Encoder) writeBlocks(src []byte, final bool) {
	seqs := e.sequences
	for i, s := range e.row {
		e.writeBlock(s, src[:s.bytes], seqs[:s.sequences], final && i == len(e.row)-1)
		src, seqs = src[s.bytes:], seqs[s.sequences:]
	}
}
