package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"sort"
	"strings"
	"unicode/utf8"
)

// The report of demo-apiserver (demo-apps/src/report), which the lab reads from either.

type admissionReport struct {
	Schema    string          `json:"schema"`
	Object    objectReference `json:"object"`
	Operation string          `json:"operation"`
	Decision  string          `json:"decision"`
	Status    int32           `json:"status"`
	Message   *string         `json:"message"`
	Result    any             `json:"result"`
	Webhooks  []webhookReport `json:"webhooks"`
}

type objectReference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
}

type webhookReport struct {
	Name          string        `json:"name"`
	Configuration string        `json:"configuration"`
	Mutating      bool          `json:"mutating"`
	Skipped       *string       `json:"skipped"`
	Decision      *string       `json:"decision"`
	Message       *string       `json:"message"`
	Patch         any           `json:"patch"`
	Call          *clientReport `json:"call"`
}

type clientReport struct {
	Schema   string     `json:"schema"`
	URL      string     `json:"url"`
	OK       bool       `json:"ok"`
	Error    *failure   `json:"error"`
	Resolved []string   `json:"resolved"`
	Local    *string    `json:"local"`
	Remote   *string    `json:"remote"`
	Timings  timings    `json:"timings"`
	TLS      *tlsFacts  `json:"tls"`
	HTTP     *httpFacts `json:"http"`

	// The URL without its query.
	webhookURL string
}

type timings struct {
	ResolveUs   *uint64 `json:"resolve_us"`
	ConnectUs   *uint64 `json:"connect_us"`
	TLSUs       *uint64 `json:"tls_us"`
	FirstByteUs *uint64 `json:"first_byte_us"`
	TotalUs     uint64  `json:"total_us"`
}

type tlsFacts struct {
	Version           *string           `json:"version"`
	Suite             *string           `json:"suite"`
	Group             *string           `json:"group"`
	SNI               *string           `json:"sni"`
	ALPNOffered       []string          `json:"alpn_offered"`
	ALPN              *string           `json:"alpn"`
	Verified          bool              `json:"verified"`
	PeerCertificate   *certificateFacts `json:"peer_certificate"`
	ClientCertificate string            `json:"client_certificate"`
}

type certificateFacts struct {
	Subject   string   `json:"subject"`
	Issuer    string   `json:"issuer"`
	SANs      []string `json:"sans"`
	NotBefore int64    `json:"not_before"`
	NotAfter  int64    `json:"not_after"`
	Serial    string   `json:"serial"`
	SHA256    string   `json:"sha256"`
}

type httpFacts struct {
	Version   string            `json:"version"`
	Status    int               `json:"status"`
	Headers   [][2]string       `json:"headers"`
	Body      map[string]string `json:"body"`
	BodyBytes int               `json:"body_bytes"`
	Trailers  [][2]string       `json:"trailers"`
}

// How many bytes of a body are kept.
const bodyLimit = 64 << 10

func newReport(request *http.Request) clientReport {
	url := *request.URL
	url.RawQuery = ""
	sni := request.URL.Hostname()
	return clientReport{
		Schema:   "sidelab.client/v1",
		URL:      request.URL.String(),
		Resolved: []string{},
		// What the server offers is set in k8s.io/apiserver/pkg/util/webhook/client.go.
		TLS:        &tlsFacts{SNI: &sni, ALPNOffered: []string{"http/1.1"}, ClientCertificate: "not_requested"},
		webhookURL: url.String(),
	}
}

func (t *tlsFacts) handshake(state tls.ConnectionState) {
	version := strings.Replace(tls.VersionName(state.Version), "TLS 1", "TLSv1", 1)
	suite, group := tls.CipherSuiteName(state.CipherSuite), state.CurveID.String()
	t.Version, t.Suite, t.Group, t.Verified = &version, &suite, &group, len(state.VerifiedChains) > 0
	if state.NegotiatedProtocol != "" {
		t.ALPN = &state.NegotiatedProtocol
	}
	if len(state.PeerCertificates) > 0 {
		t.PeerCertificate = certificateFactsOf(state.PeerCertificates[0])
	}
}

// refused keeps the certificate that was refused.
func (t *tlsFacts) refused(err error) {
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) && len(refused.UnverifiedCertificates) > 0 {
		t.PeerCertificate = certificateFactsOf(refused.UnverifiedCertificates[0])
	}
}

func certificateFactsOf(certificate *x509.Certificate) *certificateFacts {
	sans := []string{}
	for _, name := range certificate.DNSNames {
		sans = append(sans, "DNS:"+name)
	}
	for _, ip := range certificate.IPAddresses {
		sans = append(sans, "IP:"+ip.String())
	}
	for _, uri := range certificate.URIs {
		sans = append(sans, "URI:"+uri.String())
	}
	digest := sha256.Sum256(certificate.Raw)
	return &certificateFacts{
		Subject:   certificate.Subject.String(),
		Issuer:    certificate.Issuer.String(),
		SANs:      sans,
		NotBefore: certificate.NotBefore.Unix(),
		NotAfter:  certificate.NotAfter.Unix(),
		Serial:    certificate.SerialNumber.Text(16),
		SHA256:    hex.EncodeToString(digest[:]),
	}
}

func httpFactsOf(response *http.Response, body []byte) *httpFacts {
	return &httpFacts{
		Version:   response.Proto,
		Status:    response.StatusCode,
		Headers:   pairs(response.Header),
		Body:      bodyOf(body),
		BodyBytes: len(body),
		Trailers:  pairs(response.Trailer),
	}
}

// pairs are headers by name: the order of the wire is lost in Go.
func pairs(headers http.Header) [][2]string {
	all := [][2]string{}
	for name, values := range headers {
		for _, value := range values {
			all = append(all, [2]string{strings.ToLower(name), value})
		}
	}
	sort.Slice(all, func(a, b int) bool { return all[a][0] < all[b][0] })
	return all
}

func bodyOf(body []byte) map[string]string {
	kept := body[:min(len(body), bodyLimit)]
	if utf8.Valid(kept) {
		return map[string]string{"text": string(kept)}
	}
	return map[string]string{"base64": base64.StdEncoding.EncodeToString(kept)}
}
