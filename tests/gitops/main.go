// Says how GitOps tools see objects: Flux and others by kstatus, Argo CD by its Lua health check.
//
// Reads a JSON array of objects, and writes an array of {"kstatus", "argocd", "message"} in the same order.
// The argument is the file of the health check, which is run in the interpreter that Argo CD has.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type verdict struct {
	Kstatus string `json:"kstatus"`
	Argocd  string `json:"argocd"`
	Message string `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: %s HEALTH.LUA < objects.json", os.Args[0])
	}
	check, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var items []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&items); err != nil {
		return fmt.Errorf("the input is no array of objects: %w", err)
	}
	verdicts := make([]verdict, len(items))
	for index, item := range items {
		if verdicts[index], err = judge(item, string(check)); err != nil {
			return fmt.Errorf("object %d: %w", index, err)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

func judge(item []byte, check string) (verdict, error) {
	var object unstructured.Unstructured
	// Its own decoder: whole numbers are int64, as kstatus wants them.
	if err := object.UnmarshalJSON(item); err != nil {
		return verdict{}, err
	}
	computed, err := status.Compute(&object)
	if err != nil {
		return verdict{}, err
	}
	health, message, err := health(object.Object, check)
	return verdict{Kstatus: computed.Status.String(), Argocd: health, Message: message}, err
}

// As Argo CD runs it: the object is the global obj, and what is returned has status and message.
func health(object map[string]any, check string) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	lua.OpenBase(state)
	state.SetGlobal("obj", luaValue(state, object))
	if err := state.DoString(check); err != nil {
		return "", "", err
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("the health check returns no table")
	}
	status, known := result.RawGetString("status").(lua.LString)
	if !known {
		return "", "", fmt.Errorf("the health check returns no status")
	}
	return string(status), lua.LVAsString(result.RawGetString("message")), nil
}

func luaValue(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(luaValue(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, luaValue(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
