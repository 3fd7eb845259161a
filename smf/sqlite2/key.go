package sqlite2

import (
	"encoding/binary"
	"math"
	"strconv"
)

// appendRowid adds the key of a row: its number so that memcmp sorts it.
func appendRowid(b []byte, id int32) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(id)^1<<31)
}

func rowid(key []byte) int32 { return int32(binary.BigEndian.Uint32(key) ^ 1<<31) }

// appendIndexColumn adds one column to the key of an index entry: text without its NUL.
func appendIndexColumn(b []byte, c column, text []byte, null bool) []byte {
	switch {
	case null:
		b = append(b, 'a')
	case !c.text && isNumber(text):
		r, _ := strconv.ParseFloat(string(text), 64) // infinite where it does not fit
		b = appendSortable(append(b, 'b'), r)
	default:
		b = append(append(b, 'c'), text...)
	}
	return append(b, 0)
}

// isNumber tells what counts as a number in a column that is not text (util.c of 2.8): digits
// with a sign, a fraction of at least one digit, an exponent.
func isNumber(text []byte) bool {
	rest := text
	sign := func() {
		if len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
	}
	someDigits := func() bool {
		n := 0
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		rest = rest[n:]
		return n > 0
	}
	if sign(); !someDigits() {
		return false
	}
	if len(rest) > 0 && rest[0] == '.' {
		if rest = rest[1:]; !someDigits() {
			return false
		}
	}
	if len(rest) > 0 && rest[0]|' ' == 'e' {
		rest = rest[1:]
		if sign(); !someDigits() {
			return false
		}
	}
	return len(rest) == 0
}

// digits of base 64, in the order of their bytes.
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz|~"

// appendSortable adds a number in the form that memcmp sorts (util.c of 2.8): sign, exponent
// and mantissa in base 64. The number is m * 64^e with 1/128 <= |m| < 1/2; 0 has the least
// exponent. Negative numbers are turned over.
func appendSortable(b []byte, r float64) []byte {
	m, sign, e := math.Abs(r), 1, -1024
	if m != 0 {
		for e = 0; m < 0.5/64 && e > -1024; e-- {
			m *= 64
		}
		for ; m >= 0.5 && e < 1023; e++ {
			m /= 64
		}
	}
	if r < 0 {
		b, sign = append(b, '-'), -1
	} else {
		b = append(b, '0')
	}
	exponent := 1024 + sign*e
	m = 0.5 + float64(sign)*m
	if exponent >= 2048 || m >= 1 {
		return append(b, "~~~~~~~~~~~~"...)
	}
	b = append(b, digits[exponent>>6], digits[exponent&63])
	for n := 0; m > 0 && n < 10; n++ {
		m *= 64
		d := math.Floor(m)
		m -= d
		b = append(b, digits[int(d)&63])
	}
	return b
}
