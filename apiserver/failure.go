package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// failure is a failure as demo-client reports it (demo-apps/src/failure/kind.rs).
type failure struct {
	Stage      string `json:"stage"`
	Kind       string `json:"kind"`
	Problem    string `json:"problem,omitempty"`
	Alert      string `json:"alert,omitempty"`
	FirstBytes string `json:"first_bytes,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message"`
}

// classify sorts an error of Go's HTTP client by its type.
func classify(stage string, err error) *failure {
	f := &failure{Stage: stage, Message: err.Error()}
	var (
		resolution *net.DNSError
		record     tls.RecordHeaderError
		operation  *net.OpError
		timeout    net.Error
	)
	switch {
	case errors.As(err, &resolution):
		f.Stage, f.Kind = "resolve", "resolution"
	case f.certificate(err):
		f.Stage, f.Kind = "tls", "certificate"
	case errors.As(err, &record):
		f.Stage, f.Kind, f.FirstBytes = "tls", "not_tls", escaped(record.RecordHeader[:])
	case errors.As(err, &operation) && operation.Op == "remote error":
		f.Stage, f.Kind, f.Alert = "tls", "tls_alert", alertName(operation.Err.Error())
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Kind = "connection_refused"
	case errors.Is(err, syscall.EHOSTUNREACH):
		f.Kind = "host_unreachable"
	case errors.Is(err, syscall.ENETUNREACH):
		f.Kind = "network_unreachable"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		f.Kind = "address_not_available"
	case errors.Is(err, syscall.ECONNRESET):
		f.Kind = "connection_reset"
	case errors.Is(err, syscall.EPIPE):
		f.Kind = "broken_pipe"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		f.Kind = "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.Kind = "eof"
	case stage == "tls":
		f.Kind, f.Reason = "tls_protocol", err.Error()
	default:
		f.Kind, f.Reason = "http_protocol", err.Error()
	}
	return f
}

// certificate tells what is wrong with the peer's certificate, if the error is about that.
func (f *failure) certificate(err error) bool {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		any      *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &unknown):
		f.Problem = "unknown_issuer"
	case errors.As(err, &hostname):
		f.Problem = "not_valid_for_name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		f.Problem = "expired"
		if time.Now().Before(invalid.Cert.NotBefore) {
			f.Problem = "not_yet_valid"
		}
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		f.Problem = "invalid_purpose"
	case errors.As(err, &any):
		f.Problem = "other"
	default:
		return false
	}
	return true
}

// Alerts whose names differ between Go (crypto/tls/alert.go) and RFC 8446 section 6.
var alerts = map[string]string{
	"unsupported certificate":        "unsupported_certificate",
	"revoked certificate":            "certificate_revoked",
	"expired certificate":            "certificate_expired",
	"unknown certificate authority":  "unknown_ca",
	"error decoding message":         "decode_error",
	"error decrypting message":       "decrypt_error",
	"protocol version not supported": "protocol_version",
	"insufficient security level":    "insufficient_security",
}

func alertName(text string) string {
	text = strings.TrimPrefix(text, "tls: ")
	if name, ok := alerts[text]; ok {
		return name
	}
	return strings.ReplaceAll(text, " ", "_")
}

// escaped are bytes as in Rust's escape_ascii.
func escaped(bytes []byte) string {
	var text strings.Builder
	for _, b := range bytes {
		switch {
		case b == '\r':
			text.WriteString(`\r`)
		case b == '\n':
			text.WriteString(`\n`)
		case b == '\t':
			text.WriteString(`\t`)
		case b == '\\' || b == '\'' || b == '"':
			text.WriteByte('\\')
			text.WriteByte(b)
		case b < 0x20 || b > 0x7e:
			const digits = "0123456789abcdef"
			text.WriteString(`\x`)
			text.WriteByte(digits[b>>4])
			text.WriteByte(digits[b&15])
		default:
			text.WriteByte(b)
		}
	}
	return text.String()
}
