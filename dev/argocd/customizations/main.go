// Lua for Argo CD, run by Argo CD's own code.
//
//	customizations test FOLDER            every test in a folder of the form of upstream's resource_customizations
//	customizations actions ARGOCD-CM      the actions that are offered for the object on standard input
//	customizations run ARGOCD-CM ACTION [NAME=VALUE...]
//	                                      what an action makes of the object on standard input, as the merge patch that
//	                                      Argo CD's API server would send
//
// ARGOCD-CM is a file with the ConfigMap. Scripts get the libraries that Argo CD gives to scripts of a ConfigMap, which are
// fewer than its built-in scripts have.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	jsonpatch "github.com/evanphx/json-patch"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/pkg/apiclient/application"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "test":
		return test(arguments[1])
	case len(arguments) == 2 && arguments[0] == "actions":
		return offer(arguments[1])
	case len(arguments) >= 3 && arguments[0] == "run":
		return act(arguments[1], arguments[2], arguments[3:])
	default:
		return fmt.Errorf("usage: customizations test FOLDER | actions ARGOCD-CM | run ARGOCD-CM ACTION [NAME=VALUE...]")
	}
}

// offer prints the actions that can be run, one a line.
func offer(configMap string) error {
	vm, object, err := prepare(configMap)
	if err != nil {
		return err
	}
	scripts, err := vm.GetResourceActionDiscovery(object)
	if err != nil {
		return err
	}
	actions, err := vm.ExecuteResourceActionDiscovery(object, scripts)
	if err != nil {
		return err
	}
	sort.Slice(actions, func(i, j int) bool { return actions[i].Name < actions[j].Name })
	for _, action := range actions {
		if !action.Disabled {
			fmt.Println(action.Name)
		}
	}
	return nil
}

// act prints the merge patch of an action.
func act(configMap, name string, given []string) error {
	vm, object, err := prepare(configMap)
	if err != nil {
		return err
	}
	var parameters []*application.ResourceActionParameters
	for _, each := range given {
		key, value, _ := strings.Cut(each, "=")
		parameters = append(parameters, &application.ResourceActionParameters{Name: &key, Value: &value})
	}
	action, err := vm.GetResourceAction(object, name)
	if err != nil {
		return err
	}
	impacted, err := vm.ExecuteResourceAction(object, action.ActionLua, parameters)
	if err != nil {
		return err
	}
	if len(impacted) != 1 || impacted[0].K8SOperation != lua.PatchOperation {
		return fmt.Errorf("the action %s does something else than to change its object", name)
	}
	before, err := object.MarshalJSON()
	if err != nil {
		return err
	}
	after, err := impacted[0].UnstructuredObj.MarshalJSON()
	if err != nil {
		return err
	}
	patch, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		return err
	}
	fmt.Println(string(patch))
	return nil
}

// prepare reads the overrides out of the ConfigMap as Argo CD does, and the object.
func prepare(path string) (lua.VM, *unstructured.Unstructured, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return lua.VM{}, nil, err
	}
	var configMap corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &configMap); err != nil {
		return lua.VM{}, nil, err
	}
	if configMap.Namespace == "" {
		configMap.Namespace = "argocd"
	}
	if configMap.Labels == nil {
		configMap.Labels = map[string]string{}
	}
	// By this label Argo CD finds its settings.
	configMap.Labels["app.kubernetes.io/part-of"] = "argocd"
	secret := corev1.Secret{}
	secret.Name, secret.Namespace, secret.Labels = "argocd-secret", configMap.Namespace, configMap.Labels
	manager := settings.NewSettingsManager(context.Background(), fake.NewClientset(&configMap, &secret), configMap.Namespace)
	overrides, err := manager.GetResourceOverrides()
	if err != nil {
		return lua.VM{}, nil, err
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return lua.VM{}, nil, err
	}
	object := &unstructured.Unstructured{}
	return lua.VM{ResourceOverrides: overrides}, object, json.Unmarshal(input, &object.Object)
}
