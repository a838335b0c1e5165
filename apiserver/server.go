package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// The ranges of a lab's services (mesh/src/resolve/addresses.rs).
const serviceRanges = "10.96.0.0/16,fd00:96::/112"

// How long the server can take to start.
const startTimeout = 2 * time.Minute

// server is a running kube-apiserver with its etcd.
type server struct {
	config    *rest.Config
	client    kubernetes.Interface
	informers informers.SharedInformerFactory
	log       *serverLog
}

// startServer starts etcd and kube-apiserver, whose files are in folder, and returns when the server is ready. They run until the
// process ends.
func startServer(ctx context.Context, folder string, observer *observer) (*server, error) {
	log := captureLog()
	etcd, err := startEtcd(folder)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	s, err := serverOptions(folder, etcd)
	if err != nil {
		return nil, err
	}
	s.Admission.GenericAdmission.Plugins = observedPlugins(observer)
	if err := s.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	// As kube-apiserver does: its clients of itself log no warnings.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := s.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return nil, utilerrors.NewAggregate(errs)
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, err
	}
	informers := config.KubeAPIs.ControlPlane.VersionedInformers
	completedConfig, err := config.Complete()
	if err != nil {
		return nil, err
	}
	chain, err := app.CreateServerChain(completedConfig)
	if err != nil {
		return nil, err
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return nil, err
	}
	failed := make(chan error, 1)
	go func() { failed <- prepared.Run(ctx) }()

	loopback := rest.CopyConfig(chain.GenericAPIServer.LoopbackClientConfig)
	loopback.QPS = -1
	client, err := kubernetes.NewForConfig(loopback)
	if err != nil {
		return nil, err
	}
	running := &server{loopback, client, informers, log}
	return running, running.awaitReady(ctx, failed)
}

func (s *server) awaitReady(ctx context.Context, failed <-chan error) error {
	ready := func(ctx context.Context) (bool, error) {
		select {
		case err := <-failed:
			return false, fmt.Errorf("the server ended: %w", err)
		default:
		}
		status := 0
		s.client.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&status)
		if status != 200 {
			return false, nil
		}
		// Created by the server itself, soon after it is ready.
		_, err := s.client.CoreV1().Namespaces().Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	}
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, startTimeout, true, ready)
	if err != nil {
		return fmt.Errorf("kube-apiserver does not become ready: %w\n%s", err, s.log.text())
	}
	return nil
}

// startEtcd starts etcd on a socket in folder, and returns its URL.
func startEtcd(folder string) (string, error) {
	// The default segments of 64 MB are allocated at once.
	wal.SegmentSizeBytes = 4 << 20
	config := embed.NewConfig()
	config.Dir = filepath.Join(folder, "etcd")
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.UnsafeNoFsync = true
	client := url.URL{Scheme: "unix", Path: filepath.Join(folder, "etcd.sock")}
	// It has no peers, yet must have an address for them, and advertise one of a host.
	anywhere := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, anywhere
	config.ListenPeerUrls, config.AdvertisePeerUrls = anywhere, anywhere
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return client.String(), nil
	case err := <-etcd.Err():
		return "", err
	case <-time.After(startTimeout):
		return "", fmt.Errorf("not ready after %v", startTimeout)
	}
}

func serverOptions(folder, etcd string) (*options.ServerRunOptions, error) {
	s := options.NewServerRunOptions()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().(*net.TCPAddr)
	s.SecureServing.Listener, s.SecureServing.BindAddress, s.SecureServing.BindPort = listener, address.IP, address.Port
	s.SecureServing.ExternalAddress = address.IP
	s.SecureServing.ServerCert.CertDirectory = folder
	s.GenericServerRunOptions.AdvertiseAddress = address.IP
	s.ServiceClusterIPRanges = serviceRanges
	// Nobody asks where the server is, and a loopback address would be refused.
	s.EndpointReconcilerType = "none"
	s.Etcd.StorageConfig.Transport.ServerList = []string{etcd}
	// Containers can be privileged if manifests say so, as in every distribution.
	s.AllowPrivileged = true
	s.Authorization.Modes = []string{"AlwaysAllow"}
	// It refuses pods until a controller, which does not run here, has made their account.
	s.Admission.GenericAdmission.DisablePlugins = []string{"ServiceAccount"}
	s.Authentication.ServiceAccounts.Issuers = []string{"https://kubernetes.default.svc.cluster.local"}
	key, err := signingKey(folder)
	if err != nil {
		return nil, err
	}
	s.ServiceAccountSigningKeyFile = key
	s.Authentication.ServiceAccounts.KeyFiles = []string{key}
	return s, nil
}

// signingKey writes a key for service accounts' tokens: the server does not start without one.
func signingKey(folder string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	pem, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "accounts.key")
	return path, os.WriteFile(path, pem, 0o600)
}

// serverLog is what the server logs.
type serverLog struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

// captureLog redirects the server's log.
func captureLog() *serverLog {
	log := &serverLog{}
	flags := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"logtostderr": "false", "stderrthreshold": "FATAL", "one_output": "true"} {
		if err := flags.Set(name, value); err != nil {
			panic(err)
		}
	}
	klog.SetOutput(log)
	return log
}

func (l *serverLog) Write(line []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.buffer.Write(line)
}

func (l *serverLog) text() string {
	klog.Flush()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.buffer.String()
}
