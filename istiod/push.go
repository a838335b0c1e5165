package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	clusters "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoints "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"istio.io/api/annotation"
	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/model"
	networking "istio.io/istio/pilot/pkg/networking/core"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pilot/test/xdstest"
	meshutil "istio.io/istio/pkg/config/mesh"
	_ "istio.io/istio/pkg/config/xds" // registers Envoy's types, for conversion to JSON
	"istio.io/istio/pkg/kube/inject"
	"istio.io/istio/pkg/network"
	"istio.io/istio/pkg/test"
)

// release is the version that sidecars report.
const release = "1.32.0"

// timeout for one answer.
const timeout = 20 * time.Second

// pusher is a running control plane.
type pusher struct {
	server *xds.FakeDiscoveryServer
}

// start runs the control plane in memory, with these objects.
func start(t test.Failer, mesh *meshconfig.MeshConfig, objects []runtime.Object, configs []stored) *pusher {
	server := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		KubernetesObjects: objects, Configs: configs, MeshConfig: mesh, DisableSecretAuthorization: true,
	})
	return &pusher{server}
}

// to requests, like a pod's sidecar, everything that is pushed to it.
func (p *pusher) to(pod *corev1.Pod, mesh *meshconfig.MeshConfig, result *Pod) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///istiod",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256<<20)),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return p.server.BufListener.Dial() }))
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	if err != nil {
		return err
	}
	asking := &sidecar{stream: stream, node: describeNode(pod, mesh)}
	cds, err := watch[*clusters.Cluster](asking, v3.ClusterType, nil)
	if err != nil {
		return err
	}
	lds, err := watch[*listener.Listener](asking, v3.ListenerType, nil)
	if err != nil {
		return err
	}
	eds, err := watch[*endpoints.ClusterLoadAssignment](asking, v3.EndpointType, xdstest.ExtractEdsClusterNames(cds))
	if err != nil {
		return err
	}
	rds, err := watch[*route.RouteConfiguration](asking, v3.RouteType, networking.ExtractRoutesFromListeners(lds))
	if err != nil {
		return err
	}
	for _, each := range []struct {
		kind string
		to   *[]json.RawMessage
		from []proto.Message
	}{
		{"cluster", &result.Clusters, messages(cds)},
		{"listener", &result.Listeners, messages(lds)},
		{"endpoints", &result.Endpoints, messages(eds)},
		{"routes", &result.Routes, messages(rds)},
	} {
		for _, message := range each.from {
			text, err := toJSON(message)
			if err != nil {
				return fmt.Errorf("%s: %w", each.kind, err)
			}
			*each.to = append(*each.to, text)
		}
	}
	return nil
}

// sidecar is the connection of a sidecar.
type sidecar struct {
	stream discovery.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	node   *core.Node
}

// watch requests resources of a type: all of them if names is nil, none if it is empty.
func watch[T proto.Message](s *sidecar, kind string, names []string) (resources []T, err error) {
	if names != nil && len(names) == 0 {
		return nil, nil
	}
	if err := s.stream.Send(&discovery.DiscoveryRequest{Node: s.node, TypeUrl: kind, ResourceNames: unique(names)}); err != nil {
		return nil, err
	}
	for {
		response, err := s.stream.Recv()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		if response.TypeUrl != kind {
			continue
		}
		ack := &discovery.DiscoveryRequest{
			TypeUrl: kind, ResourceNames: unique(names), ResponseNonce: response.Nonce, VersionInfo: response.VersionInfo,
		}
		if err := s.stream.Send(ack); err != nil {
			return nil, err
		}
		return unpack[T](response.Resources)
	}
}

func unpack[T proto.Message](packed []*anypb.Any) (resources []T, err error) {
	for _, each := range packed {
		message, err := each.UnmarshalNew()
		if err != nil {
			return nil, err
		}
		resource, ok := message.(T)
		if !ok {
			return nil, fmt.Errorf("unexpected %s", each.TypeUrl)
		}
		resources = append(resources, resource)
	}
	return resources, nil
}

func unique(names []string) (all []string) {
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

func messages[T proto.Message](of []T) (all []proto.Message) {
	for _, message := range of {
		all = append(all, message)
	}
	return all
}

// toJSON encodes a message with Envoy's field names. protojson inserts spaces at random, to discourage comparing its
// output: they are removed.
func toJSON(message proto.Message) (json.RawMessage, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

// describeNode returns the node metadata as the sidecar's agent would (pkg/bootstrap/config.go): from the environment that
// the injector set on its container, and from the kubelet's view of the pod.
func describeNode(pod *corev1.Pod, mesh *meshconfig.MeshConfig) *core.Node {
	metadata := &model.NodeMetadata{
		IstioVersion:   release,
		Labels:         pod.Labels,
		Annotations:    pod.Annotations,
		InstanceIPs:    ips(pod),
		Namespace:      pod.Namespace,
		NodeName:       node,
		ServiceAccount: pod.Spec.ServiceAccountName,
		ClusterID:      "Kubernetes",
		MeshID:         mesh.TrustDomain,
		WorkloadName:   pod.Name,
	}
	config := proto.Clone(mesh.DefaultConfig).(*meshconfig.ProxyConfig)
	// As getMeshConfig in pilot/cmd/pilot-agent/config merges them. What can't be read was refused by the injector.
	if merged, err := meshutil.MergeProxyConfig(pod.Annotations[annotation.ProxyConfig.Name], config); err == nil {
		config = merged
	}
	for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		if container.Name == inject.ProxyContainerName {
			fromEnvironment(container, metadata)
		}
	}
	metadata.ProxyConfig = (*model.NodeMetaProxyConfig)(config)
	return &core.Node{
		Cluster:  serviceCluster(pod, metadata.WorkloadName),
		Id:       fmt.Sprintf("%s~%s~%s.%s~%s.svc.%s", nodeType(pod), pod.Status.PodIP, pod.Name, pod.Namespace, pod.Namespace, domain),
		Metadata: metadata.ToStruct(),
	}
}

// serviceCluster returns the name that the agent gives to a pod by default (APP_LABEL_AND_NAMESPACE in pkg/bootstrap/config.go).
func serviceCluster(pod *corev1.Pod, workload string) string {
	return cmp.Or(pod.Labels["app"], workload) + "." + pod.Namespace
}

// nodeType returns the type that the agent reports: its second argument (pilot/cmd/pilot-agent/app/cmd.go).
func nodeType(pod *corev1.Pod) model.NodeType {
	for _, container := range pod.Spec.Containers {
		if args := container.Args; container.Name == inject.ProxyContainerName && len(args) > 1 && args[0] == "proxy" {
			return model.NodeType(args[1])
		}
	}
	return model.SidecarProxy
}

func fromEnvironment(container corev1.Container, metadata *model.NodeMetadata) {
	for _, variable := range container.Env {
		switch value := variable.Value; variable.Name {
		case "ISTIO_META_WORKLOAD_NAME":
			metadata.WorkloadName = value
		case "ISTIO_META_INTERCEPTION_MODE":
			metadata.InterceptionMode = model.TrafficInterceptionMode(value)
		case "ISTIO_META_DNS_CAPTURE":
			metadata.DNSCapture = value == "true"
		case "ISTIO_META_HTTP10":
			metadata.HTTP10 = value
		case "ISTIO_META_IDLE_TIMEOUT":
			metadata.IdleTimeout = value
		case "ISTIO_META_NETWORK":
			metadata.Network = network.ID(value)
		case "ISTIO_META_UNPRIVILEGED_POD":
			metadata.UnprivilegedPod = value
		}
	}
}
