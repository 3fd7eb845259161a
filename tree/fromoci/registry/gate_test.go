package registry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A registry elsewhere cannot have credentials sent to whatever listens on this host.
func TestRealmOnThisHost(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer server.Close()
	for _, c := range []struct {
		registry string
		insecure bool
		ok       bool
	}{
		{"registry.example", false, false}, {"registry.example:5000", true, false}, {"192.0.2.1:5000", true, false}, {"localhost.example", false, false},
		{"localhost:5000", false, true}, {"127.0.0.1:5000", false, true}, {"[::1]:5000", false, true}, {"a.localhost", false, true},
	} {
		requests.Store(0)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("joe", "secret")
		resp, err := newTransport(c.registry, Options{Insecure: c.insecure}).RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != c.ok || (requests.Load() > 0) != c.ok {
			t.Errorf("%s: %v, %d requests", c.registry, err, requests.Load())
		}
		if err != nil && !strings.Contains(err.Error(), "a registry elsewhere leads to this host over plain HTTP") {
			t.Errorf("%s: %v", c.registry, err)
		}
	}
}
