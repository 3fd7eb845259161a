package compress

import (
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

// newBzip2Reader reads all streams in a row, on one core.
func newBzip2Reader(src *source) io.Reader {
	return &decodeReader{r: bzip2.NewReader(src.r), src: src, format: Bzip2}
}
