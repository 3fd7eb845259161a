// Package filter rewrites ZFS send streams record by record.
//
//	report, err := filter.Deholes(w, r)
//
// A filter reads one uncompressed stream from r, in either byte order. It writes the stream to w in the
// same order, with new checksums. It reads r to its end; more data after the stream is an error. It
// writes END last, when everything before it was correct. After an error the output is therefore a
// truncated stream, which every receiver refuses.
//
// Errors in the stream are [*stream.FormatError]s. If a filter cannot change a correct stream, the error
// wraps a [*RefusedError].
//
// Memory does not depend on the length of the stream: a filter holds one record, and [Recompress] some
// megabytes for each core. Only Recompress starts goroutines; they end before it returns.
package filter

import (
	"bufio"
	"errors"
	"io"

	"imagetools/zfs/stream"
)

// Report is what a filter did; after an error, up to there.
type Report struct {
	OldName      string `json:"old_name"` // dataset@snapshot in the first BEGIN, as read
	Name         string `json:"name"`     // as written
	Read         Counts `json:"records_read"`
	Written      Counts `json:"records_written"`
	BytesRead    int64  `json:"bytes_read"`
	BytesWritten int64  `json:"bytes_written"`
}

// Counts are numbers of records by the name of their type.
type Counts map[string]int64

// Total is the number of all records.
func (c Counts) Total() int64 {
	var n int64
	for _, v := range c {
		n += v
	}
	return n
}

// RefusedError says why a filter cannot change a stream.
type RefusedError struct {
	Reason string
	Advice string // the way out
}

func (e *RefusedError) Error() string { return e.Reason }

// Hint is the advice.
func (e *RefusedError) Hint() string { return e.Advice }

const bufferSize = 256 << 10

// copier moves records from one stream to another.
type copier struct {
	in     *bufio.Reader
	r      *stream.Reader
	out    *bufio.Writer
	w      *stream.Writer // nil before the first record is written
	report *Report

	compound    bool
	openRead    bool // a BEGIN was read whose END was not
	openWritten bool
}

func newCopier(w io.Writer, r io.Reader) *copier {
	in := bufio.NewReaderSize(r, bufferSize)
	return &copier{
		in: in, r: stream.NewReader(in), out: bufio.NewWriterSize(w, bufferSize),
		report: &Report{Read: Counts{}, Written: Counts{}},
	}
}

var errBehind = errors.New("the stream ends here, but the input goes on")

// next returns the next record and its payload, which is the Reader's, or io.EOF. The last
// record is returned only if nothing follows it.
func (c *copier) next() (stream.Record, []byte, error) {
	rec, err := c.r.Next()
	if err != nil {
		return nil, nil, err
	}
	payload, err := c.r.Payload()
	if err != nil {
		return nil, nil, err
	}
	c.report.Read[rec.Type().String()]++
	c.report.BytesRead = c.r.Position()
	switch rec := rec.(type) {
	case *stream.Begin:
		if c.report.OldName == "" {
			c.report.OldName = rec.ToName
		}
		c.openRead = true
		c.compound = c.compound || rec.HeaderType == stream.Compound
	case *stream.End:
		if last := !c.openRead || !c.compound; last {
			if err := c.checkEnd(); err != nil {
				return nil, nil, c.r.Fault(err)
			}
		}
		c.openRead = false
	}
	return rec, payload, nil
}

// checkEnd tells whether the input ends here; so it also meets what decompressors find wrong
// only then.
func (c *copier) checkEnd() error {
	switch _, err := c.in.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return errBehind
	default:
		return err
	}
}

// put writes a record.
func (c *copier) put(rec stream.Record, payload []byte) error {
	if c.w == nil {
		c.w = stream.NewWriterOrder(c.out, c.r.Order())
	}
	c.report.Written[rec.Type().String()]++
	switch rec := rec.(type) {
	case *stream.Begin:
		if c.report.Name == "" {
			c.report.Name = rec.ToName
		}
		c.openWritten = true
	case *stream.End:
		if !c.openWritten { // it closes a compound stream
			return c.w.WriteTerminator()
		}
		c.openWritten = false
	}
	return c.w.WriteRecord(rec, payload)
}

// finish writes what is still in a buffer, also after an error, which it returns.
func (c *copier) finish(err error) (*Report, error) {
	if flushed := c.out.Flush(); err == nil || err == io.EOF {
		err = flushed
	}
	if c.w != nil {
		c.report.BytesWritten = c.w.Position()
	}
	return c.report, err
}

// copy runs every record past edit, which may change it, and writes those that it keeps.
func (c *copier) copy(edit func(stream.Record) (keep bool, err error)) (*Report, error) {
	for {
		rec, payload, err := c.next()
		if err != nil {
			return c.finish(err)
		}
		keep, err := edit(rec)
		if err != nil {
			return c.finish(c.r.Fault(err))
		}
		if !keep {
			continue
		}
		if err := c.put(rec, payload); err != nil {
			return c.finish(err)
		}
	}
}
