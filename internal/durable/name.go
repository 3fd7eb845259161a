package durable

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// prefix is how all temporary names begin.
const prefix = ".imagetools-"

// What a temporary name stands for.
const (
	making   = '-' // an output that is being made, locked
	aside    = '+' // what had the name of an output
	moved    = '=' // a list of what moved up out of a directory
	unlocked = '~' // an output on a file system without locks
	changing = '.' // a file that others than this package make, and clean up; see ChangeName
)

const tokenSize = 26

// maxBase keeps temporary names within the 255 bytes of a name.
const maxBase = 255 - len(prefix) - tokenSize - 1

// tempName is the name under which a run makes what will be called base.
func tempName(token string, kind byte, base string) string {
	if token == "" {
		token = rand.Text()
	}
	if len(base) > maxBase {
		sum := sha256.Sum256([]byte(base))
		base = base[:maxBase-16] + hex.EncodeToString(sum[:8])
	}
	return prefix + token + string(kind) + base
}

// parseTemp takes a temporary name apart. base is shortened if it is long.
func parseTemp(name string) (token string, kind byte, base string, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok || len(rest) < tokenSize+2 {
		return "", 0, "", false
	}
	token, kind, base = rest[:tokenSize], rest[tokenSize], rest[tokenSize+1:]
	if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return "", 0, "", false
	}
	return token, kind, base, true
}

// IsTemp tells whether a name is one that outputs have while they are made.
func IsTemp(name string) bool {
	_, _, _, ok := parseTemp(name)
	return ok
}

// ChangeName is a new name for what replaces base in its directory when it is complete. It is left
// alone by outputs of this package: who makes it locks the directory ([LockShared]), and removes
// what [IsChangeName] tells from others if nobody has a lock ([TryLock]).
func ChangeName(base string) string { return tempName("", changing, base) }

// IsChangeName tells whether a name is of those that [ChangeName] gives.
func IsChangeName(name string) bool {
	_, kind, _, ok := parseTemp(name)
	return ok && kind == changing
}
