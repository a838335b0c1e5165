package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	mutatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	validatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"
	kubeoptions "k8s.io/kubernetes/pkg/kubeapiserver/options"
)

// observer reports the calls of webhooks, and does not change them.
type observer struct {
	mutex sync.Mutex
	calls []clientReport
}

// last is the report of the last call of this URL, without its query.
func (o *observer) last(url string) *clientReport {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for i := len(o.calls) - 1; i >= 0; i-- {
		if o.calls[i].webhookURL == url {
			return &o.calls[i]
		}
	}
	return nil
}

// observedPlugins are kube-apiserver's admission plugins, the two that call webhooks with an observer.
func observedPlugins(observer *observer) *admission.Plugins {
	plugins := &admission.Plugins{}
	// As in k8s.io/apiserver/pkg/server/plugins.go and k8s.io/kubernetes/pkg/kubeapiserver/options/plugins.go.
	lifecycle.Register(plugins)
	validatingpolicy.Register(plugins)
	mutatingpolicy.Register(plugins)
	kubeoptions.RegisterAllAdmissionPlugins(plugins)
	plugins.Register(mutating.PluginName, func(config io.Reader) (admission.Interface, error) {
		plugin, err := mutating.NewMutatingWebhook(config)
		return &observedMutating{plugin, observer}, err
	})
	plugins.Register(validating.PluginName, func(config io.Reader) (admission.Interface, error) {
		plugin, err := validating.NewValidatingAdmissionWebhook(config)
		return &observedValidating{plugin, observer}, err
	})
	return plugins
}

type observedMutating struct {
	*mutating.Plugin
	observer *observer
}

func (p *observedMutating) SetAuthenticationInfoResolverWrapper(wrapper webhookutil.AuthenticationInfoResolverWrapper) {
	p.Plugin.SetAuthenticationInfoResolverWrapper(wrapper)
	p.Plugin.SetAuthenticationInfoResolverWrapper(p.observer.wrap)
}

type observedValidating struct {
	*validating.Plugin
	observer *observer
}

func (p *observedValidating) SetAuthenticationInfoResolverWrapper(wrapper webhookutil.AuthenticationInfoResolverWrapper) {
	p.Plugin.SetAuthenticationInfoResolverWrapper(wrapper)
	p.Plugin.SetAuthenticationInfoResolverWrapper(p.observer.wrap)
}

func (o *observer) wrap(resolver webhookutil.AuthenticationInfoResolver) webhookutil.AuthenticationInfoResolver {
	// The dialers are those of hookClientConfig in k8s.io/apiserver/pkg/util/webhook/client.go, and of
	// k8s.io/client-go/transport/cache.go.
	toService, toURL := net.Dialer{}, net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	observed := func(config *rest.Config, err error, dialer net.Dialer) (*rest.Config, error) {
		if err != nil {
			return nil, err
		}
		config = rest.CopyConfig(config)
		if config.Dial == nil {
			config.Dial = dialer.DialContext
		}
		config.Dial = observedDial(config.Dial)
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &observedTransport{next, o} })
		return config, nil
	}
	return &webhookutil.AuthenticationInfoResolverDelegator{
		ClientConfigForFunc: func(hostPort string) (*rest.Config, error) {
			config, err := resolver.ClientConfigFor(hostPort)
			return observed(config, err, toURL)
		},
		ClientConfigForServiceFunc: func(name, namespace string, port int) (*rest.Config, error) {
			config, err := resolver.ClientConfigForService(name, namespace, port)
			return observed(config, err, toService)
		},
	}
}

// callKey is the key of a call in the context of its request.
type callKey struct{}

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// observedDial reports both ends of a connection, which no trace does if its handshake fails.
func observedDial(next dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := next(ctx, network, address)
		if call, ok := ctx.Value(callKey{}).(*call); ok && err == nil {
			call.connected(connection)
		}
		return connection, err
	}
}

// observedTransport makes requests, and reports them.
type observedTransport struct {
	next     http.RoundTripper
	observer *observer
}

func (t *observedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	call := &call{began: time.Now(), report: newReport(request)}
	ctx := context.WithValue(request.Context(), callKey{}, call)
	request = request.WithContext(httptrace.WithClientTrace(ctx, call.trace()))
	response, err := t.next.RoundTrip(request)
	if err != nil {
		call.fail(err)
		t.observer.add(call)
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failingReader{err}))
	if err != nil {
		call.fail(err)
	} else {
		call.answer(response, body)
	}
	t.observer.add(call)
	return response, nil
}

func (o *observer) add(call *call) {
	call.mutex.Lock()
	defer call.mutex.Unlock()
	call.report.Timings.TotalUs = call.elapsed()
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.calls = append(o.calls, call.report)
}

// failingReader ends as the body did.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return 0, io.EOF
}

// call is a call under way. The transport reports its progress from several goroutines.
type call struct {
	mutex  sync.Mutex
	began  time.Time
	report clientReport
	stage  string
}

func (c *call) elapsed() uint64 { return uint64(time.Since(c.began).Microseconds()) }

func (c *call) trace() *httptrace.ClientTrace {
	locked := func(change func()) {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		change()
	}
	now := func() *uint64 { elapsed := c.elapsed(); return &elapsed }
	return &httptrace.ClientTrace{
		GetConn: func(string) { locked(func() { c.stage = "connect" }) },
		ConnectStart: func(_, address string) {
			locked(func() { c.report.Remote = &address })
		},
		ConnectDone: func(_, _ string, err error) {
			locked(func() {
				if err == nil {
					c.report.Timings.ConnectUs = now()
				}
			})
		},
		GotConn: func(got httptrace.GotConnInfo) {
			c.connected(got.Conn)
			locked(func() {
				c.stage = "send"
				if secure, ok := got.Conn.(*tls.Conn); ok {
					c.report.TLS.handshake(secure.ConnectionState())
				}
			})
		},
		TLSHandshakeStart: func() { locked(func() { c.stage = "tls" }) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			locked(func() {
				if err == nil {
					c.report.Timings.TLSUs = now()
					c.report.TLS.handshake(state)
				} else {
					c.report.TLS.refused(err)
				}
			})
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { locked(func() { c.stage = "receive" }) },
		GotFirstResponseByte: func() { locked(func() { c.report.Timings.FirstByteUs = now() }) },
	}
}

func (c *call) connected(connection net.Conn) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	local, remote := connection.LocalAddr().String(), connection.RemoteAddr().String()
	c.report.Local, c.report.Remote = &local, &remote
}

func (c *call) fail(err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.report.Error = classify(c.stage, err)
}

func (c *call) answer(response *http.Response, body []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.report.OK = true
	c.report.HTTP = httpFactsOf(response, body)
}
