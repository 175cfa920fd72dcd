package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"sort"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/gitops-engine/pkg/health"

	"github.com/argoproj/argo-cd/v3/pkg/apiclient/application"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
)

// health_test.yaml, as upstream's tests read it.
type healthTests struct {
	Tests []struct {
		InputPath    string              `json:"inputPath"`
		HealthStatus health.HealthStatus `json:"healthStatus"`
	} `json:"tests"`
}

// action_test.yaml, as upstream's tests read it.
type actionTests struct {
	DiscoveryTests []struct {
		InputPath string                    `json:"inputPath"`
		Result    []v1alpha1.ResourceAction `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action               string            `json:"action"`
		InputPath            string            `json:"inputPath"`
		ExpectedOutputPath   string            `json:"expectedOutputPath"`
		ExpectedErrorMessage string            `json:"expectedErrorMessage"`
		Parameters           map[string]string `json:"parameters"`
	} `json:"actionTests"`
}

// test runs every test that it finds, prints a line for each, and fails if one does or if a script has none.
func test(root string) error {
	failed, run := 0, 0
	tell := func(name string, err error) {
		run++
		if err != nil {
			failed++
			fmt.Printf("FAILED %s: %v\n", name, err)
		} else {
			fmt.Printf("ok %s\n", name)
		}
	}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch filepath.Base(path) {
		case "health.lua":
			return testHealth(filepath.Dir(path), tell)
		case "discovery.lua":
			return testActions(filepath.Dir(path), tell)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d tests, %d failed\n", run, failed)
	if failed > 0 || run == 0 {
		return errors.New("not all is as expected")
	}
	return nil
}

func testHealth(folder string, tell func(string, error)) error {
	script, err := os.ReadFile(filepath.Join(folder, "health.lua"))
	if err != nil {
		return err
	}
	var tests healthTests
	if err := read(filepath.Join(folder, "health_test.yaml"), &tests); err != nil {
		return err
	}
	for _, test := range tests.Tests {
		object, err := readObject(filepath.Join(folder, test.InputPath))
		if err != nil {
			return err
		}
		found, err := lua.VM{}.ExecuteHealthLua(object, string(script))
		if err == nil && !reflect.DeepEqual(found, &test.HealthStatus) {
			err = fmt.Errorf("%+v instead of %+v", *found, test.HealthStatus)
		}
		tell(filepath.Join(folder, test.InputPath), err)
	}
	return nil
}

func testActions(folder string, tell func(string, error)) error {
	discovery, err := os.ReadFile(filepath.Join(folder, "discovery.lua"))
	if err != nil {
		return err
	}
	var tests actionTests
	if err := read(filepath.Join(folder, "action_test.yaml"), &tests); err != nil {
		return err
	}
	offered, tested := map[string]bool{}, map[string]bool{}
	for _, test := range tests.DiscoveryTests {
		object, err := readObject(filepath.Join(folder, test.InputPath))
		if err != nil {
			return err
		}
		found, err := lua.VM{}.ExecuteResourceActionDiscovery(object, []string{string(discovery)})
		byName := func(actions []v1alpha1.ResourceAction) {
			sort.Slice(actions, func(i, j int) bool { return actions[i].Name < actions[j].Name })
		}
		byName(found)
		byName(test.Result)
		// Upstream's test lets one pass that is expected and not offered; this one doesn't.
		if err == nil && !reflect.DeepEqual(found, test.Result) {
			err = fmt.Errorf("%+v instead of %+v", found, test.Result)
		}
		for _, action := range found {
			offered[action.Name] = true
		}
		tell(filepath.Join(folder, "discovery", test.InputPath), err)
	}
	for _, test := range tests.ActionTests {
		tested[test.Action] = true
		tell(filepath.Join(folder, test.Action, test.InputPath), testAction(folder, test.Action, test.InputPath,
			test.ExpectedOutputPath, test.ExpectedErrorMessage, test.Parameters))
	}
	if !reflect.DeepEqual(offered, tested) {
		tell(folder, fmt.Errorf("offered: %v; tested: %v", offered, tested))
	}
	return nil
}

func testAction(folder, name, input, output, message string, given map[string]string) error {
	script, err := os.ReadFile(filepath.Join(folder, name, "action.lua"))
	if err != nil {
		return err
	}
	object, err := readObject(filepath.Join(folder, input))
	if err != nil {
		return err
	}
	var parameters []*application.ResourceActionParameters
	for key, value := range given {
		parameters = append(parameters, &application.ResourceActionParameters{Name: &key, Value: &value})
	}
	impacted, err := lua.VM{}.ExecuteResourceAction(object, string(script), parameters)
	if message != "" {
		if err == nil || err.Error() != message {
			return fmt.Errorf("%v instead of the error %s", err, message)
		}
		return nil
	}
	if err != nil {
		return err
	}
	expected, err := readObject(filepath.Join(folder, output))
	if err != nil {
		return err
	}
	if len(impacted) != 1 {
		return fmt.Errorf("%d objects", len(impacted))
	}
	// Lua knows one kind of number: both are compared as text.
	found, err := yaml.Marshal(impacted[0].UnstructuredObj.Object)
	if err != nil {
		return err
	}
	wanted, err := yaml.Marshal(expected.Object)
	if err != nil {
		return err
	}
	if string(found) != string(wanted) {
		return fmt.Errorf("\n%s\ninstead of\n%s", found, wanted)
	}
	return nil
}

func read(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func readObject(path string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	return object, read(path, &object.Object)
}
