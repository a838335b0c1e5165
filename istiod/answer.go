package main

import (
	"fmt"
	"runtime/debug"

	"istio.io/istio/pkg/test"
)

// answer gets Istio's answer to a request. Istio's test fakes exit the goroutine on errors and panic on unknown input: both
// are reported.
func answer(settings *Settings, request *Request) (answer *Answer) {
	answer = &Answer{Istio: istioVersion()}
	err := test.Wrap(func(t test.Failer) {
		defer func() {
			if problem := recover(); problem != nil {
				t.Fatalf("panic: %v\n%s", problem, debug.Stack())
			}
		}()
		if err := fill(t, settings, request, answer); err != nil {
			t.Fatal(err)
		}
	})
	if err != nil {
		return &Answer{Istio: istioVersion(), Error: err.Error(), Pods: []Pod{}}
	}
	return answer
}

func fill(t test.Failer, settings *Settings, request *Request, answer *Answer) error {
	objects, err := parse(request.Manifests)
	if err != nil {
		return err
	}
	answer.Ignored = objects.ignored
	mesh, err := settings.mesh(objects, request)
	if err != nil {
		return err
	}
	configs, err := settings.validate(objects, answer)
	if err != nil {
		return err
	}
	cluster := newCluster(objects, request.Addresses)
	injector, err := settings.injector(mesh, cluster, configs)
	if err != nil {
		return err
	}
	for _, pod := range cluster.pods {
		result := Pod{Namespace: pod.Namespace, Name: pod.Name, IPs: ips(pod)}
		if err := injector.inject(pod); err != nil {
			result.InjectionError = err.Error()
		}
		result.Sidecar = hasSidecar(pod)
		result.Labels, result.Annotations = pod.Labels, pod.Annotations
		result.Probes = probes(pod)
		if result.Sidecar {
			if result.Redirect, err = redirect(pod); err != nil {
				return fmt.Errorf("%s/%s: redirects: %w", pod.Namespace, pod.Name, err)
			}
		}
		answer.Pods = append(answer.Pods, result)
	}
	push := start(t, mesh, cluster.objects(), configs)
	for i, pod := range cluster.pods {
		if answer.Pods[i].Sidecar {
			if err := push.to(pod, mesh, &answer.Pods[i]); err != nil {
				return fmt.Errorf("%s/%s: %w", pod.Namespace, pod.Name, err)
			}
		}
	}
	return nil
}
