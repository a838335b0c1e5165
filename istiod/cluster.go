package main

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// node is the name of the node on which all pods run.
const node = "node"

// cluster holds the objects as Kubernetes would present them to Istio: with namespaces, running pods with addresses,
// services with cluster IPs, and their endpoints.
type cluster struct {
	given      *objects
	addresses  Addresses
	namespaces map[string]*corev1.Namespace
	pods       []*corev1.Pod
	// Number of services that were assigned an address.
	addressed int
}

func newCluster(given *objects, addresses Addresses) *cluster {
	c := &cluster{given: given, addresses: addresses, namespaces: map[string]*corev1.Namespace{}}
	for _, namespace := range given.namespaces {
		if namespace.Labels == nil {
			namespace.Labels = map[string]string{}
		}
		// Added by the API server.
		namespace.Labels["kubernetes.io/metadata.name"] = namespace.Name
		c.namespaces[namespace.Name] = namespace
	}
	c.pods = slices.Clone(given.pods)
	slices.SortStableFunc(c.pods, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for i, pod := range c.pods {
		c.namespace(pod.Namespace)
		c.run(pod, i)
	}
	slices.SortStableFunc(given.services, func(a, b *corev1.Service) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, service := range given.services {
		c.namespace(service.Namespace)
		c.complete(service)
	}
	for _, o := range given.istio {
		c.namespace(namespace(o.GetNamespace()))
	}
	c.namespace("istio-system")
	return c
}

// namespace ensures that the namespace exists.
func (c *cluster) namespace(name string) {
	if c.namespaces[name] == nil {
		labels := map[string]string{"kubernetes.io/metadata.name": name}
		c.namespaces[name] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	}
}

// run sets what the API server, the scheduler and the kubelet set on a pod.
func (c *cluster) run(pod *corev1.Pod, index int) {
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	pod.UID = types.UID(pod.Namespace + "/" + pod.Name)
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = "default"
	}
	pod.Spec.NodeName = node
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			for j := range containers[i].Ports {
				if port := &containers[i].Ports[j]; port.Protocol == "" {
					port.Protocol = corev1.ProtocolTCP
				}
			}
		}
	}
	addresses := c.addresses.Pods[pod.Namespace+"/"+pod.Name]
	if len(addresses) == 0 {
		number := index + 2
		addresses = []string{fmt.Sprintf("10.244.%d.%d", number>>8, number&255), fmt.Sprintf("fd00:244::%x", number)}
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.PodIP, pod.Status.PodIPs = addresses[0], nil
	for _, address := range addresses {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: address})
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

// complete sets what the API server sets on a service.
func (c *cluster) complete(service *corev1.Service) {
	spec := &service.Spec
	asked := slices.DeleteFunc(append([]string{spec.ClusterIP}, spec.ClusterIPs...), func(ip string) bool {
		return ip == "" || ip == corev1.ClusterIPNone
	})
	asked = slices.Compact(asked)
	for i := range spec.Ports {
		port := &spec.Ports[i]
		if port.Protocol == "" {
			port.Protocol = corev1.ProtocolTCP
		}
		if port.TargetPort == (intstr.IntOrString{}) {
			port.TargetPort = intstr.FromInt32(port.Port)
		}
	}
	if spec.Type == "" {
		spec.Type = corev1.ServiceTypeClusterIP
	}
	if spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	if spec.ClusterIP == corev1.ClusterIPNone {
		spec.ClusterIPs = []string{corev1.ClusterIPNone}
	} else {
		addresses, known := c.addresses.Services[service.Namespace+"/"+service.Name]
		if !known {
			number := c.addressed + 10
			c.addressed++
			addresses = []string{fmt.Sprintf("10.96.%d.%d", number>>8, number&255), fmt.Sprintf("fd00:96::%x", number)}
		}
		if len(addresses) > 0 {
			spec.ClusterIP, spec.ClusterIPs = addresses[0], addresses
		}
	}
	c.families(service, asked)
}

// families settles which families a service has: one, unless it asks for more (initIPFamilyFields in Kubernetes'
// pkg/registry/core/service/storage/alloc.go).
func (c *cluster) families(service *corev1.Service, asked []string) {
	spec := &service.Spec
	headless := spec.ClusterIP == corev1.ClusterIPNone
	dual := len(spec.IPFamilies) > 1 || len(asked) > 1 || headless && len(spec.Selector) == 0
	if policy := spec.IPFamilyPolicy; policy != nil {
		dual = *policy != corev1.IPFamilyPolicySingleStack
	}
	if len(spec.IPFamilies) == 0 {
		first := corev1.IPv4Protocol
		if len(asked) > 0 && isIPv6(asked[0]) {
			first = corev1.IPv6Protocol
		}
		spec.IPFamilies = []corev1.IPFamily{first}
	}
	if dual && len(spec.IPFamilies) == 1 {
		other := corev1.IPv6Protocol
		if spec.IPFamilies[0] == corev1.IPv6Protocol {
			other = corev1.IPv4Protocol
		}
		spec.IPFamilies = append(spec.IPFamilies, other)
	}
	if !dual {
		spec.IPFamilies = spec.IPFamilies[:1]
	}
	if !dual && len(spec.ClusterIPs) > 1 {
		wanted := spec.IPFamilies[0] == corev1.IPv6Protocol
		spec.ClusterIPs = slices.DeleteFunc(spec.ClusterIPs, func(ip string) bool { return isIPv6(ip) != wanted })
		spec.ClusterIP = spec.ClusterIPs[0]
	}
}

// objects returns all objects that Istio watches.
func (c *cluster) objects() []runtime.Object {
	all := []runtime.Object{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}}
	for _, namespace := range c.namespaces {
		all = append(all, namespace)
	}
	for _, pod := range c.pods {
		all = append(all, pod)
	}
	for _, service := range c.given.services {
		all = append(all, service)
		for _, slice := range c.endpoints(service) {
			all = append(all, slice)
		}
	}
	for _, slice := range c.given.slices {
		all = append(all, slice)
	}
	for _, endpoints := range c.given.endpoints {
		for _, slice := range mirrored(endpoints) {
			all = append(all, slice)
		}
	}
	return append(all, c.given.others...)
}

// endpoints returns the slices that Kubernetes' endpointslice controller creates for a service with a selector: one for
// each IP family, and for each set of ports (named ports may differ between pods).
func (c *cluster) endpoints(service *corev1.Service) []*discoveryv1.EndpointSlice {
	if len(service.Spec.Selector) == 0 {
		return nil
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	byPorts := map[string]*discoveryv1.EndpointSlice{}
	var made []*discoveryv1.EndpointSlice
	for _, pod := range c.pods {
		if pod.Namespace != service.Namespace || !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		ports := portsOf(service, pod)
		for _, family := range service.Spec.IPFamilies {
			kind := discoveryv1.AddressType(family)
			key := fmt.Sprint(kind, describe(ports))
			slice := byPorts[key]
			if slice == nil {
				slice = newSlice(service.ObjectMeta, kind, len(made))
				slice.Ports = ports
				byPorts[key] = slice
				made = append(made, slice)
			}
			for _, ip := range pod.Status.PodIPs {
				if isIPv6(ip.IP) == (family == corev1.IPv6Protocol) {
					slice.Endpoints = append(slice.Endpoints, endpoint(pod, ip.IP))
				}
			}
		}
	}
	return made
}

func describe(ports []discoveryv1.EndpointPort) (text string) {
	for _, port := range ports {
		text += fmt.Sprintf(" %s:%d", *port.Name, *port.Port)
	}
	return text
}

// portsOf resolves a service's ports on a pod (FindPort in Kubernetes' pkg/api/v1/pod).
func portsOf(service *corev1.Service, pod *corev1.Pod) []discoveryv1.EndpointPort {
	ports := []discoveryv1.EndpointPort{}
	for _, port := range service.Spec.Ports {
		number := port.TargetPort.IntVal
		if port.TargetPort.Type == intstr.String {
			number = named(pod, port.TargetPort.StrVal, port.Protocol)
		}
		if number == 0 {
			continue
		}
		name, protocol := port.Name, port.Protocol
		ports = append(ports, discoveryv1.EndpointPort{Name: &name, Port: &number, Protocol: &protocol, AppProtocol: port.AppProtocol})
	}
	return ports
}

func named(pod *corev1.Pod, name string, protocol corev1.Protocol) int32 {
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == name && port.Protocol == protocol {
				return port.ContainerPort
			}
		}
	}
	return 0
}

// mirrored returns the slices that Kubernetes creates for manually written Endpoints.
func mirrored(endpoints *corev1.Endpoints) (made []*discoveryv1.EndpointSlice) {
	for _, subset := range endpoints.Subsets {
		for _, kind := range []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6} {
			slice := newSlice(endpoints.ObjectMeta, kind, len(made))
			for _, address := range subset.Addresses {
				if isIPv6(address.IP) == (kind == discoveryv1.AddressTypeIPv6) {
					slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
						Addresses: []string{address.IP}, TargetRef: address.TargetRef, Conditions: ready(),
					})
				}
			}
			for _, port := range subset.Ports {
				protocol := cmp.Or(port.Protocol, corev1.ProtocolTCP)
				slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &port.Name, Port: &port.Port, Protocol: &protocol})
			}
			if len(slice.Endpoints) > 0 {
				made = append(made, slice)
			}
		}
	}
	return made
}

func newSlice(of metav1.ObjectMeta, kind discoveryv1.AddressType, number int) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name:      fmt.Sprintf("%s-%d", of.Name, number),
			Namespace: of.Namespace,
			Labels:    map[string]string{discoveryv1.LabelServiceName: of.Name},
		},
		AddressType: kind,
	}
}

func endpoint(pod *corev1.Pod, ip string) discoveryv1.Endpoint {
	on := node
	return discoveryv1.Endpoint{
		Addresses:  []string{ip},
		Conditions: ready(),
		NodeName:   &on,
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
	}
}

func ready() discoveryv1.EndpointConditions {
	yes := true
	return discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes}
}

func ips(pod *corev1.Pod) (ips []string) {
	for _, ip := range pod.Status.PodIPs {
		ips = append(ips, ip.IP)
	}
	return ips
}

func isIPv6(address string) bool {
	return slices.Contains([]byte(address), ':')
}
