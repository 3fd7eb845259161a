package zap

import "strings"

// Form is how the names in a ZAP are changed before they are hashed and compared (normflags):
// the form of Unicode, and whether case counts.
type Form uint64

// Bits of a Form.
const (
	FormUpper Form = 0x2 // names are compared in upper case
	formNFD   Form = 0x10
	formNFKD  Form = 0x20
	formNFC   Form = 0x50
	formNFKC  Form = 0x60
)

// Valid tells whether kernels know the form; they find no names in a ZAP of another.
func (f Form) Valid() bool {
	switch f &^ FormUpper {
	case 0, formNFD, formNFKD, formNFC, formNFKC:
		return true
	}
	return false
}

// hash is the hash of a name, of which the top bits are kept. It is not known of a name that the forms of Unicode
// may change: of ASCII, which they leave as it is, it always is.
func (f Form) hash(salt uint64, name string, bits uint) (hash uint64, ok bool) {
	if f == 0 {
		return crc(salt, name) &^ (1<<(64-bits) - 1), true
	}
	if strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 }) >= 0 {
		return 0, false
	}
	if f&FormUpper != 0 {
		name = strings.ToUpper(name)
	}
	return crc(salt, name) &^ (1<<(64-bits) - 1), true
}
