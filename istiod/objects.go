package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"

	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/resource"
)

// external marks a pod that represents a host outside of the cluster, which the control plane does not know.
const external = "sidelab.io/external-host"

// epoch is the creation time of the first document without a creationTimestamp; each later one is created a second later.
// Objects with a timestamp are older.
var epoch = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// objects are the objects of manifests, by consumer.
type objects struct {
	namespaces []*corev1.Namespace
	services   []*corev1.Service
	endpoints  []*corev1.Endpoints
	slices     []*discoveryv1.EndpointSlice
	// Pods, and workloads with a pod template.
	pods []*corev1.Pod
	// Used unchanged: Secrets, ConfigMaps, ServiceAccounts, Nodes.
	others []runtime.Object
	// Istio's own objects.
	istio   []document
	ignored []string
}

// document is an Istio object and its position.
type document struct {
	*unstructured.Unstructured
	file   string
	number int
}

func parse(manifests []Manifest) (*objects, error) {
	all := &objects{}
	order := 0
	for _, manifest := range manifests {
		decoder := kubeyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest.Text), 4096)
		for number := 1; ; number++ {
			object := &unstructured.Unstructured{}
			if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("%s#%d: %w", manifest.Name, number, err)
			}
			if len(object.Object) == 0 {
				continue
			}
			items := []unstructured.Unstructured{*object}
			if object.IsList() {
				list, err := object.ToList()
				if err != nil {
					return nil, fmt.Errorf("%s#%d: %w", manifest.Name, number, err)
				}
				items = list.Items
			}
			for i := range items {
				item := document{&items[i], manifest.Name, number}
				if created := items[i].GetCreationTimestamp(); created.IsZero() {
					items[i].SetCreationTimestamp(metav1.NewTime(epoch.Add(time.Duration(order) * time.Second)))
				}
				order++
				if err := all.add(item); err != nil {
					return nil, fmt.Errorf("%s#%d: %w", manifest.Name, number, err)
				}
			}
		}
	}
	return all, nil
}

// add adds an object to the list for its kind.
func (all *objects) add(o document) error {
	gvk := o.GroupVersionKind()
	if strings.HasSuffix(gvk.Group, "istio.io") {
		if _, known := collections.PilotGatewayAPI().FindByGroupVersionAliasesKind(resource.FromKubernetesGVK(&gvk)); known {
			all.istio = append(all.istio, o)
			return nil
		}
	}
	switch gvk.Group + "/" + gvk.Kind {
	case "/Namespace":
		return into(o, &all.namespaces)
	case "/Service":
		return into(o, &all.services)
	case "/Endpoints":
		return into(o, &all.endpoints)
	case "discovery.k8s.io/EndpointSlice":
		return into(o, &all.slices)
	case "/Secret":
		return other[corev1.Secret](all, o)
	case "/ConfigMap":
		return other[corev1.ConfigMap](all, o)
	case "/ServiceAccount":
		return other[corev1.ServiceAccount](all, o)
	case "/Node":
		return other[corev1.Node](all, o)
	case "/Pod":
		pod := &corev1.Pod{}
		if err := convert(o, pod); err != nil {
			return err
		}
		if pod.Annotations[external] == "" {
			all.pods = append(all.pods, pod)
		}
		return nil
	}
	pods, known, err := made(o)
	if err != nil {
		return err
	}
	if !known {
		all.ignored = append(all.ignored, fmt.Sprintf("%s %s/%s", gvk.Kind, o.GetNamespace(), o.GetName()))
	}
	for _, pod := range pods {
		if pod.Annotations[external] == "" {
			all.pods = append(all.pods, pod)
		}
	}
	return nil
}

// made returns the pods that a controller creates for an object, NAME-0 and so on; known reports whether the kind has one.
func made(o document) (pods []*corev1.Pod, known bool, err error) {
	var template corev1.PodTemplateSpec
	var replicas *int32
	owner := metav1.OwnerReference{APIVersion: o.GetAPIVersion(), Kind: o.GetKind(), Name: o.GetName()}
	gvk := o.GroupVersionKind()
	switch gvk.Group + "/" + gvk.Kind {
	case "apps/Deployment":
		object := &appsv1.Deployment{}
		err = convert(o, object)
		template, replicas = object.Spec.Template, object.Spec.Replicas
		// Deployments create a ReplicaSet, whose name ends with the hash in its pods' labels.
		owner.Kind, owner.Name = "ReplicaSet", o.GetName()+"-sidelab"
	case "apps/StatefulSet":
		object := &appsv1.StatefulSet{}
		err = convert(o, object)
		template, replicas = object.Spec.Template, object.Spec.Replicas
	case "apps/ReplicaSet":
		object := &appsv1.ReplicaSet{}
		err = convert(o, object)
		template, replicas = object.Spec.Template, object.Spec.Replicas
	case "/ReplicationController":
		object := &corev1.ReplicationController{}
		err = convert(o, object)
		if object.Spec.Template != nil {
			template = *object.Spec.Template
		}
		replicas = object.Spec.Replicas
	case "apps/DaemonSet":
		object := &appsv1.DaemonSet{}
		err = convert(o, object)
		template = object.Spec.Template
	case "batch/Job":
		object := &batchv1.Job{}
		err = convert(o, object)
		template = object.Spec.Template
	case "batch/CronJob":
		object := &batchv1.CronJob{}
		err = convert(o, object)
		template = object.Spec.JobTemplate.Spec.Template
	default:
		return nil, false, nil
	}
	if err != nil {
		return nil, true, err
	}
	count := int32(1)
	if replicas != nil {
		count = *replicas
	}
	yes := true
	owner.Controller = &yes
	for i := range count {
		pod := &corev1.Pod{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: *template.ObjectMeta.DeepCopy(),
			Spec:       *template.Spec.DeepCopy(),
		}
		pod.Namespace, pod.Name = namespace(o.GetNamespace()), fmt.Sprintf("%s-%d", o.GetName(), i)
		pod.GenerateName = owner.Name + "-"
		pod.CreationTimestamp = o.GetCreationTimestamp()
		pod.OwnerReferences = []metav1.OwnerReference{owner}
		if owner.Kind == "ReplicaSet" && o.GetKind() == "Deployment" {
			if pod.Labels == nil {
				pod.Labels = map[string]string{}
			}
			pod.Labels["pod-template-hash"] = "sidelab"
		}
		pods = append(pods, pod)
	}
	return pods, true, nil
}

func into[T any](o document, list *[]*T) error {
	object := new(T)
	if err := convert(o, object); err != nil {
		return err
	}
	*list = append(*list, object)
	return nil
}

func other[T any, P interface {
	*T
	runtime.Object
}](all *objects, o document) error {
	object := P(new(T))
	if err := convert(o, object); err != nil {
		return err
	}
	all.others = append(all.others, object)
	return nil
}

// convert decodes a typed object, with the namespace that kubectl would default to.
func convert(o document, object any) error {
	if o.GetKind() != "Namespace" && o.GetKind() != "Node" {
		o.SetNamespace(namespace(o.GetNamespace()))
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, object); err != nil {
		return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return nil
}

func namespace(given string) string {
	if given == "" {
		return metav1.NamespaceDefault
	}
	return given
}
