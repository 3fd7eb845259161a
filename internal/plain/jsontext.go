package plain

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// JSONText is a string of any bytes. In JSON it is a string if it is UTF-8, else an object with the
// bytes in base64.
type JSONText string

// MarshalJSON gives the string or the object.
func (t JSONText) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return MarshalJSON(string(t))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{[]byte(t)})
}

// MarshalJSON is json.Marshal without the escapes for HTML.
func MarshalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
