package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
)

// creation is an object to create, and the webhook that is called for it.
type creation struct {
	manifests []string
	only      string
	name      string
	namespace string
	user      string
	ipv6      bool
	// The addresses of services, by NAMESPACE/NAME.
	services map[string][]string
}

// webhook is one webhook of the manifests, in a configuration without any other.
type webhook struct {
	configuration *unstructured.Unstructured
	mutating      bool
	url           string
	// NAMESPACE/NAME of its service; empty if it has a URL.
	service string
}

// run has a kube-apiserver create the object, and reports what it did.
func (c *creation) run(ctx context.Context, folder string) (*admissionReport, error) {
	objects, err := c.read()
	if err != nil {
		return nil, err
	}
	hook, err := findWebhook(objects, c.only)
	if err != nil {
		return nil, err
	}
	observer := &observer{}
	server, err := startServer(ctx, folder, observer)
	if err != nil {
		return nil, err
	}
	user, err := newCaller(server.config, c.user)
	if err != nil {
		return nil, err
	}
	if err := c.prepare(ctx, server, user, objects, hook); err != nil {
		return nil, err
	}
	pod := simplePod(c.name, c.namespace)
	created, refusal := user.create(ctx, pod, false)
	return c.report(server, hook, pod, created, refusal, observer.last(hook.url))
}

func (c *creation) read() ([]*unstructured.Unstructured, error) {
	objects := []*unstructured.Unstructured{}
	for _, name := range c.manifests {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all, err := documents(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, one := range all {
			if one.err != nil {
				return nil, fmt.Errorf("%s: document %d: %w", name, one.number, one.err)
			}
			objects = append(objects, one.object)
		}
	}
	return objects, nil
}

func findWebhook(objects []*unstructured.Unstructured, name string) (*webhook, error) {
	known := []string{}
	for _, object := range objects {
		kind := object.GetKind()
		if kind != "ValidatingWebhookConfiguration" && kind != "MutatingWebhookConfiguration" {
			continue
		}
		hooks, _, err := unstructured.NestedSlice(object.Object, "webhooks")
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, object.GetName(), err)
		}
		for _, one := range hooks {
			fields, _ := one.(map[string]any)
			if fields["name"] != name {
				known = append(known, fmt.Sprint(fields["name"]))
				continue
			}
			alone := object.DeepCopy()
			alone.Object["webhooks"] = []any{fields}
			found := &webhook{configuration: alone, mutating: kind == "MutatingWebhookConfiguration"}
			found.url, found.service = destination(fields)
			return found, nil
		}
	}
	return nil, fmt.Errorf("--only %q: no such webhook; known are %s", name, strings.Join(known, ", "))
}

// destination is the URL that the server calls, and the service, as in k8s.io/apiserver/pkg/util/webhook/client.go.
func destination(hook map[string]any) (url, service string) {
	if url, ok, _ := unstructured.NestedString(hook, "clientConfig", "url"); ok {
		return strings.SplitN(url, "?", 2)[0], ""
	}
	text := func(field string) string {
		text, _, _ := unstructured.NestedString(hook, "clientConfig", "service", field)
		return text
	}
	port, ok, _ := unstructured.NestedInt64(hook, "clientConfig", "service", "port")
	if !ok {
		port = 443
	}
	path := text("path")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	url = fmt.Sprintf("https://%s.%s.svc:%d%s", text("name"), text("namespace"), port, path)
	return url, text("namespace") + "/" + text("name")
}

// prepare creates the namespaces, the webhook's service and its configuration, and waits until the server's plugins know them.
func (c *creation) prepare(ctx context.Context, server *server, user *caller, objects []*unstructured.Unstructured, hook *webhook) error {
	namespaces := map[string]*unstructured.Unstructured{c.namespace: namespace(c.namespace)}
	var service *unstructured.Unstructured
	for _, object := range objects {
		switch object.GetKind() {
		case "Namespace":
			namespaces[object.GetName()] = object
		case "Service":
			if object.GetNamespace() == "" {
				object.SetNamespace("default")
			}
			if object.GetNamespace()+"/"+object.GetName() == hook.service {
				service = object
			}
		}
	}
	if service != nil {
		if err := c.place(service, c.services[hook.service]); err != nil {
			return err
		}
		if _, ok := namespaces[service.GetNamespace()]; !ok {
			namespaces[service.GetNamespace()] = namespace(service.GetNamespace())
		}
	}
	for _, namespace := range namespaces {
		if err := refusedWith(user.create(ctx, namespace, false))(namespace); err != nil {
			return err
		}
	}
	if service != nil {
		if err := refusedWith(user.create(ctx, service, false))(service); err != nil {
			return err
		}
	}
	if err := refusedWith(user.create(ctx, hook.configuration, false))(hook.configuration); err != nil {
		return err
	}
	return c.awaitKnown(ctx, server, namespaces, service, hook)
}

// refusedWith says what the server refused.
func refusedWith(_ *unstructured.Unstructured, err error) func(*unstructured.Unstructured) error {
	return func(object *unstructured.Unstructured) error {
		if err == nil {
			return nil
		}
		_, message, _ := status(err)
		return fmt.Errorf("kube-apiserver refuses %s %s: %s", object.GetKind(), object.GetName(), message)
	}
}

// place gives a service the address that it has in the lab. Of several the server calls the first, so the others are left out.
func (c *creation) place(service *unstructured.Unstructured, addresses []string) error {
	for _, address := range addresses {
		if (net.ParseIP(address).To4() == nil) != c.ipv6 {
			continue
		}
		family := "IPv4"
		if c.ipv6 {
			family = "IPv6"
		}
		spec, ok := service.Object["spec"].(map[string]any)
		if !ok {
			return fmt.Errorf("service %s has no spec", service.GetName())
		}
		spec["clusterIP"], spec["clusterIPs"] = address, []any{address}
		spec["ipFamilies"], spec["ipFamilyPolicy"] = []any{family}, "SingleStack"
		return nil
	}
	if len(addresses) > 0 {
		return fmt.Errorf("service %s has no address of the family to call it over, only %s", service.GetName(), strings.Join(addresses, ", "))
	}
	return nil
}

// awaitKnown waits until the server's caches, which its plugins read, have what was created.
func (c *creation) awaitKnown(ctx context.Context, server *server, namespaces map[string]*unstructured.Unstructured, service *unstructured.Unstructured, hook *webhook) error {
	core, registration := server.informers.Core().V1(), server.informers.Admissionregistration().V1()
	known := func(context.Context) (bool, error) {
		for name, wanted := range namespaces {
			got, err := core.Namespaces().Lister().Get(name)
			if err != nil {
				return false, nil
			}
			for key, value := range wanted.GetLabels() {
				if got.Labels[key] != value {
					return false, nil
				}
			}
		}
		if service != nil {
			if _, err := core.Services().Lister().Services(service.GetNamespace()).Get(service.GetName()); err != nil {
				return false, nil
			}
		}
		var err error
		if hook.mutating {
			_, err = registration.MutatingWebhookConfigurations().Lister().Get(hook.configuration.GetName())
		} else {
			_, err = registration.ValidatingWebhookConfigurations().Lister().Get(hook.configuration.GetName())
		}
		return err == nil, nil
	}
	err := wait.PollUntilContextTimeout(ctx, 5*time.Millisecond, time.Minute, true, known)
	if err != nil {
		return fmt.Errorf("kube-apiserver does not notice the webhook's configuration: %w", err)
	}
	return nil
}

func (c *creation) report(server *server, hook *webhook, pod, created *unstructured.Unstructured, refusal error, call *clientReport) (*admissionReport, error) {
	report := &admissionReport{
		Schema:    "sidelab.admission/v1",
		Object:    objectReference{"v1", "Pod", pod.GetNamespace(), pod.GetName()},
		Operation: "CREATE",
		Status:    201,
		Decision:  "allowed",
	}
	webhook := webhookReport{Name: c.only, Configuration: hook.configuration.GetName(), Mutating: hook.mutating, Call: call}
	ignored := failedOpen(server.log.text(), c.only)
	switch {
	case refusal != nil:
		code, message, ok := status(refusal)
		if !ok {
			return nil, refusal
		}
		report.Status, report.Message = code, &message
		report.Decision = "rejected"
		if strings.HasPrefix(message, fmt.Sprintf("admission webhook %q denied the request", c.only)) {
			report.Decision = "denied"
		}
		webhook.Message = &message
	case ignored != "":
		report.Decision, webhook.Message = "let_through", &ignored
	case call != nil && hook.mutating:
		if webhook.Patch = patchOf(call); webhook.Patch != nil {
			report.Decision = "patched"
		}
	}
	if created != nil {
		report.Result = created.Object
	}
	if call == nil && refusal == nil && ignored == "" {
		why := "kube-apiserver did not call it: its rules, selectors or conditions do not match"
		webhook.Skipped = &why
	} else {
		webhook.Decision = &report.Decision
	}
	report.Webhooks = []webhookReport{webhook}
	return report, nil
}

// failedOpen is what the server logged if it ignored the webhook's failure.
func failedOpen(log, webhook string) string {
	for _, line := range strings.Split(log, "\n") {
		_, text, ok := strings.Cut(line, "] ")
		if ok && strings.HasPrefix(text, "Failed calling webhook, failing open "+webhook+":") {
			return text
		}
	}
	return ""
}

// patchOf is the patch in a webhook's answer.
func patchOf(call *clientReport) any {
	if call.HTTP == nil {
		return nil
	}
	var review struct {
		Response struct {
			Patch []byte `json:"patch"`
		} `json:"response"`
	}
	var patch []any
	if json.Unmarshal([]byte(call.HTTP.Body["text"]), &review) != nil || json.Unmarshal(review.Response.Patch, &patch) != nil || len(patch) == 0 {
		return nil
	}
	return patch
}

func namespace(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
	}}
}

// simplePod is demo-apiserver's.
func simplePod(name, namespace string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Pod",
		"metadata":   map[string]any{"name": name, "namespace": namespace},
		"spec":       map[string]any{"containers": []any{map[string]any{"name": "app", "image": "sidelab/demo-server"}}},
	}}
}
