package compress

import (
	"github.com/ulikunitz/xz"
)

// xzBlock is the input of one stream. The encoder takes nine times xzDict, and leaves that to the
// garbage collector after each block: so both are small.
const (
	xzBlock = 8 << 20
	xzDict  = 4 << 20
)

// An xzEncoder makes a stream of each block.
type xzEncoder struct{}

func newXZEncoder() encoder[*buffer] { return xzEncoder{} }

func (xzEncoder) encode(dst []byte, in *buffer) ([]byte, error) {
	out := appender{dst}
	w, err := xz.WriterConfig{DictCap: xzDict}.NewWriter(&out)
	if err == nil {
		_, err = w.Write(in.data)
	}
	if err == nil {
		err = w.Close()
	}
	return out.data, err
}
