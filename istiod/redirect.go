package main

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"istio.io/istio/pkg/kube/inject"
	"istio.io/istio/pkg/log"
	"istio.io/istio/tools/common/config"
	"istio.io/istio/tools/istio-iptables/pkg/capture"
	"istio.io/istio/tools/istio-iptables/pkg/constants"
	"istio.io/istio/tools/istio-iptables/pkg/dependencies"
)

// redirect runs istio-iptables with the arguments that the injector passed to istio-init, and records the rules.
func redirect(pod *corev1.Pod) (*Redirect, error) {
	i := slices.IndexFunc(pod.Spec.InitContainers, func(c corev1.Container) bool {
		return c.Name == inject.InitContainerName || c.Name == inject.ValidationContainerName
	})
	if i < 0 {
		return nil, nil
	}
	container := pod.Spec.InitContainers[i]
	made := &Redirect{Args: container.Args}
	cfg, err := options(container)
	if err != nil {
		return nil, err
	}
	cfg.EnableIPv6 = true
	cfg.HostIP, err = netip.ParseAddr(pod.Status.PodIP)
	if err != nil {
		return nil, err
	}
	loaded := &recorder{}
	configurator, err := capture.NewIptablesConfigurator(cfg, loaded)
	if err != nil {
		return nil, err
	}
	if err := configurator.Run(); err != nil {
		return nil, err
	}
	made.IPv4, made.IPv6 = loaded.ipv4.String(), loaded.ipv6.String()
	return made, nil
}

// options parses the arguments of istio-init (bindCmdlineFlags in tools/istio-iptables/pkg/cmd/root.go).
func options(container corev1.Container) (*config.Config, error) {
	cfg := config.DefaultConfig()
	texts := map[string]*string{
		"-p": &cfg.ProxyPort, "-z": &cfg.InboundCapturePort, "-e": &cfg.InboundTunnelPort, "-u": &cfg.ProxyUID, "-g": &cfg.ProxyGID,
		"-m": &cfg.InboundInterceptionMode, "-b": &cfg.InboundPortsInclude, "-d": &cfg.InboundPortsExclude,
		"-c": &cfg.ExcludeInterfaces, "-i": &cfg.OutboundIPRangesInclude, "-x": &cfg.OutboundIPRangesExclude,
		"-q": &cfg.OutboundPortsInclude, "-o": &cfg.OutboundPortsExclude, "-k": &cfg.RerouteVirtualInterfaces,
	}
	// Logging options such as `--log_output_level=all:info`.
	args := slices.DeleteFunc(slices.Clone(container.Args), func(arg string) bool {
		return arg == "istio-iptables" || strings.HasPrefix(arg, "--")
	})
	for i := 0; i < len(args); i++ {
		value, known := texts[args[i]]
		if !known || i+1 == len(args) {
			return nil, fmt.Errorf("unknown argument %q in %q", args[i], container.Args)
		}
		i++
		*value = args[i]
	}
	for _, variable := range container.Env {
		switch variable.Name {
		case "ISTIO_META_DNS_CAPTURE":
			cfg.RedirectDNS = variable.Value == "true"
		case "ISTIO_DUAL_STACK":
			cfg.DualStack = variable.Value == "true"
		case constants.OwnerGroupsInclude.Name:
			cfg.OwnerGroupsInclude = variable.Value
		case constants.OwnerGroupsExclude.Name:
			cfg.OwnerGroupsExclude = variable.Value
		}
	}
	return cfg, cfg.Validate()
}

// recorder replaces iptables: it records the rules instead of loading them.
type recorder struct {
	dependencies.DependenciesStub
	ipv4, ipv6 strings.Builder
}

func (r *recorder) Run(_ *log.Scope, _ bool, _ constants.IptablesCmd, version *dependencies.IptablesVersion, stdin io.ReadSeeker, _ ...string) (*bytes.Buffer, error) {
	if stdin != nil {
		kept := &r.ipv4
		if strings.HasPrefix(version.DetectedRestoreBinary, "ip6") {
			kept = &r.ipv6
		}
		if _, err := io.Copy(kept, stdin); err != nil {
			return nil, err
		}
	}
	return &bytes.Buffer{}, nil
}
