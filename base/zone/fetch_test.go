package zone_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"imagetools/base/zone"
	"imagetools/internal/cli"
)

// content is what stands for a bootstrap.
var content = append([]byte{0x1f, 0x8b}, bytes.Repeat([]byte("bootstrap of pkgsrc\n"), 50_000)...)

// server answers with what handle does, given the number of the request, and returns the fetch
// that asks it.
func server(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, n int)) *zone.Fetch {
	t.Helper()
	n := 0
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		handle(w, r, n)
	}))
	t.Cleanup(s.Close)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return &zone.Fetch{URL: s.URL + "/bootstrap.tar.gz", CACert: cert, Dir: t.TempDir(), Pause: time.Millisecond}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// left checks what is in the folder of a fetch.
func left(t *testing.T, f *zone.Fetch, want int) {
	t.Helper()
	files, err := os.ReadDir(f.Dir)
	if err != nil || len(files) != want {
		t.Errorf("in the folder are %v, %v, want %d files", files, err, want)
	}
}

func whole(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"one"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// cut sends the first half and ends the connection.
func cut(w http.ResponseWriter, etag string) {
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	w.Write(content[:len(content)/2])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestFetch(t *testing.T) {
	for _, tt := range []struct {
		name   string
		handle func(w http.ResponseWriter, r *http.Request, n int)
		tries  int
	}{
		{"at once", func(w http.ResponseWriter, r *http.Request, _ int) { whole(w, r) }, 1},
		{"goes on where it was cut", func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				cut(w, `"one"`)
			}
			if want := fmt.Sprintf("bytes=%d-", len(content)/2); r.Header.Get("Range") != want || r.Header.Get("If-Range") != `"one"` {
				t.Errorf("asked for %q if %q, want %q", r.Header.Get("Range"), r.Header.Get("If-Range"), want)
			}
			whole(w, r)
		}, 2},
		{"another file after the cut", func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				cut(w, `"zero"`)
			}
			whole(w, r)
		}, 2},
		{"begins again without a tag", func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				cut(w, "")
			}
			if r.Header.Get("Range") != "" {
				t.Error("goes on with what may be another file")
			}
			whole(w, r)
		}, 2},
		{"a weak tag", func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				cut(w, `W/"one"`)
			}
			if r.Header.Get("Range") != "" {
				t.Error("goes on with what may be another file")
			}
			whole(w, r)
		}, 2},
		{"another range than was asked for", func(w http.ResponseWriter, r *http.Request, n int) {
			switch n {
			case 1:
				cut(w, `"one"`)
			case 2:
				w.Header().Set("Content-Range", "bytes 5-9/10")
				w.WriteHeader(http.StatusPartialContent)
				w.Write([]byte("wrong"))
			default:
				whole(w, r)
			}
		}, 3},
		{"busy", func(w http.ResponseWriter, r *http.Request, n int) {
			if n < 5 {
				w.WriteHeader(map[int]int{1: 503, 2: 429, 3: 500, 4: 502}[n])
				return
			}
			whole(w, r)
		}, 5},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request, n int) {
			if r.URL.Path != "/other" {
				http.Redirect(w, r, "/other", http.StatusFound)
				return
			}
			whole(w, r)
		}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tries, last := 0, int64(0)
			f := server(t, func(w http.ResponseWriter, r *http.Request, n int) { tries = n; tt.handle(w, r, n) })
			f.SHA256 = strings.ToUpper(digest(content))
			f.Progress = func(done, total int64) {
				if last = done; total != int64(len(content)) && total != -1 {
					t.Errorf("%d of %d", done, total)
				}
			}
			k, err := f.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if k.Source != f.URL || k.Size != int64(len(content)) || k.SHA256 != digest(content) || last != k.Size || tries != tt.tries {
				t.Errorf("%+v after %d tries, want %d; %d bytes were told", k, tries, tt.tries, last)
			}
			left(t, f, 0) // it has no name
			if err := errors.Join(k.Close(), k.Close()); err != nil {
				t.Error(err)
			}
			left(t, f, 0)
		})
	}
}

func TestFetchFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(f *zone.Fetch)
		handle func(w http.ResponseWriter, r *http.Request, n int)
		want   string // "|" before a hint
		tries  int
	}{
		{"digest", func(f *zone.Fetch) { f.SHA256 = strings.Repeat("0", 64) }, nil, "SHA-256 is " + digest(content) + ", not 000", 1},
		{"no gzip", nil, func(w http.ResponseWriter, _ *http.Request, _ int) { w.Write([]byte("<html>")) }, "it is not compressed by gzip|the kits", 1},
		{"empty", nil, func(http.ResponseWriter, *http.Request, int) {}, "it is not compressed by gzip", 1},
		{"not there", nil, func(w http.ResponseWriter, r *http.Request, _ int) { http.NotFound(w, r) }, `the server answers "404 Not Found"|zone.kit`, 1},
		{"forbidden", nil, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(403) }, `the server answers "403 Forbidden"`, 1},
		{"busy for good", nil, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(503) }, `the server answers "503 Service Unavailable", 5 times`, 5},
		{"cut for good", nil, func(w http.ResponseWriter, _ *http.Request, _ int) { cut(w, `"one"`) }, "unexpected EOF, 5 times", 5},
		{"too long", nil, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Length", "300000000")
			w.Write(content)
		}, "300000000 bytes are more than 268435456", 1},
		{"away from https", nil, func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, `it leads away from https, to "http://127.0.0.1:1/"`, 1},
		{"round and round", nil, func(w http.ResponseWriter, r *http.Request, _ int) { http.Redirect(w, r, "/", http.StatusFound) }, "without end", 10},
		{"not trusted", func(f *zone.Fetch) { f.CACert = nil }, nil, "certificate|zone.trust", 0},
		{"no certificates", func(f *zone.Fetch) { f.CACert = []byte("none") }, nil, "root certificates: none of them is one", 0},
		{"http", func(f *zone.Fetch) { f.URL = "http://localhost/x" }, nil, `bootstrap "http://localhost/x": this is no https URL`, 0},
		{"no folder", func(f *zone.Fetch) { f.URL += "/x"; os.Remove(f.Dir); os.WriteFile(f.Dir, nil, 0o600) }, nil, "not a directory", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tries := 0
			f := server(t, func(w http.ResponseWriter, r *http.Request, n int) {
				if tries = n; tt.handle == nil {
					whole(w, r)
				} else {
					tt.handle(w, r, n)
				}
			})
			if tt.change != nil {
				tt.change(f)
			}
			k, err := f.Get(t.Context())
			want, hint, _ := strings.Cut(tt.want, "|")
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(strings.Join(cli.Hints(err), "\n"), hint) {
				t.Errorf("%v, hints %q, want %s", err, cli.Hints(err), tt.want)
			}
			if k != nil || tries != tt.tries {
				t.Errorf("%+v after %d tries, want %d", k, tries, tt.tries)
			}
			if tt.name != "no folder" {
				left(t, f, 0)
			}
		})
	}
}

// A fetch that is interrupted ends, whether it waits for bytes or for its next try.
func TestFetchInterrupted(t *testing.T) {
	for name, handle := range map[string]func(w http.ResponseWriter, r *http.Request){
		"bytes": func(w http.ResponseWriter, r *http.Request) {
			w.Write(content[:10])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"next try": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			f := server(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				time.AfterFunc(50*time.Millisecond, cancel)
				handle(w, r)
			})
			f.Pause = time.Hour
			if _, err := f.Get(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			left(t, f, 0)
		})
	}
}
