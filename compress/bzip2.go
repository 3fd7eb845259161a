package compress

import (
	"bufio"
	"compress/bzip2"
	"io"

	bzip2enc "github.com/dsnet/compress/bzip2"
)

// bzip2Block is the input of one stream: nine blocks of the largest size. Run lengths are encoded
// before blocks are filled, so that the blocks of a stream rarely end with it.
const bzip2Block = 9 * 900_000

// A bzip2Encoder makes a stream of each block. The standard library only reads bzip2.
type bzip2Encoder struct{ w *bzip2enc.Writer }

func newBzip2Encoder() encoder[*buffer] { return new(bzip2Encoder) }

func (e *bzip2Encoder) encode(dst []byte, in *buffer) ([]byte, error) {
	out := appender{dst}
	var err error
	if e.w == nil {
		e.w, err = bzip2enc.NewWriter(&out, &bzip2enc.WriterConfig{Level: bzip2enc.BestCompression})
	} else {
		err = e.w.Reset(&out)
	}
	if err == nil {
		_, err = e.w.Write(in.data)
	}
	if err == nil {
		err = e.w.Close()
	}
	return out.data, err
}

// An appender is a writer to a slice.
type appender struct{ data []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.data = append(a.data, p...)
	return len(p), nil
}

// newBzip2Reader reads all streams in a row, on one core. Zeros may follow the last one.
func newBzip2Reader(src *source) io.Reader {
	in := &bzip2Input{r: src.r}
	return &decodeReader{r: &bzip2Reader{r: bzip2.NewReader(in), in: in, src: src}, src: src, format: Bzip2}
}

// bzip2Input remembers the last two bytes, and has two zeros more behind a zero at its end: the
// standard library looks at two bytes behind a stream, and takes one for a cut file.
type bzip2Input struct {
	r     *bufio.Reader
	last  [2]byte
	any   bool
	extra int
}

// ReadByte implements io.ByteReader, by which the decoder takes no byte too many.
func (b *bzip2Input) ReadByte() (byte, error) {
	c, err := b.r.ReadByte()
	if err == io.EOF && b.any && b.last[1] == 0 && b.extra < 2 {
		b.extra++
		c, err = 0, nil
	}
	if err == nil {
		b.last, b.any = [2]byte{b.last[1], c}, true
	}
	return c, err
}

func (b *bzip2Input) Read(p []byte) (int, error) { return b.r.Read(p) }

// errBzip2Next is what the standard library says of anything but a stream behind one.
const errBzip2Next = bzip2.StructuralError("bad magic value in continuation file")

// bzip2Reader takes zeros behind the last stream for its end.
type bzip2Reader struct {
	r   io.Reader
	in  *bzip2Input
	src *source
}

func (b *bzip2Reader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == errBzip2Next {
		at := b.src.offset() - int64(len(b.in.last))
		if b.in.last != [2]byte{} {
			return n, b.src.failAt(at, Bzip2, ErrTrailing)
		}
		err = b.src.zeros(Bzip2)
	}
	return n, err
}
