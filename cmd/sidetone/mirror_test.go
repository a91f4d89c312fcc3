package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// notMirrored are operations without a command, and why.
func notMirrored() map[string]string {
	return map[string]string{
		"ServerController_getDocs":           "a page for browsers",
		"ServerController_getDocsAsset":      "a part of that page",
		"ServerController_getHealth":         "for those who watch servers; doctor looks at more",
		"ServerController_getReadiness":      "likewise",
		"SecretController_rotateEnvironment": "secrets rotate-environment asks the server that holds the data directory; e2e runs it",
		"SecretController_rotateMaster":      "secrets rotate-master, likewise",
	}
}

// mirrored has a command for each other operation.
func mirrored() map[string]string {
	all := map[string]string{
		"NumberController_getNumber": "numbers get +1", "NumberController_listNumbers": "numbers list",
		"NumberController_listAvailableNumbers": "numbers available", "NumberController_buyNumber": "numbers buy +1",
		"NumberController_updateNumber": "numbers update +1 --set example_context={}", "NumberController_cancelNumber": "numbers cancel +1",
		"NumberController_linkNumber": "numbers link +1", "NumberController_detachNumber": "numbers detach +1",
		"CallController_getCall": "calls get i", "CallController_listCalls": "calls list", "CallController_createCall": "calls create --to +1",
		"CallController_endCall": "calls end i", "CallController_getRecording": "calls recording i -f -", "CallController_pauseRecording": "calls pause-recording i", "CallController_streamEvents": "calls events {id}",
		"CallController_getLadder": "calls ladder {id}", "CallController_getPcap": "calls pcap {id} -f -", "CallController_getJournal": "calls journal {id} -f -",
		"CallController_getTurns": "calls turns {id}", "CallController_exportCalls": "calls export",
		"DncController_addDncNumber": "dnc create --set phoneNumber=+1", "DncController_bulkAddDncNumbers": "dnc bulk +1",
		"DncController_getDncNumbers": "dnc list", "DncController_deleteDncNumber": "dnc delete i",
		"DncController_decideDncNumber": "dnc doubtful replace i --number +1",
		"SupportController_getSupport":  "support",
		"UsageController_getUsage":      "usage", "AccessController_whoAmI": "whoami", "ServerController_getMetrics": "metrics",
		"ServerController_getDocument": "openapi", "AuditController_getEntry": "audit-log get i", "AuditController_listEntries": "audit-log list", "RefusalController_listRefusals": "refusals list",
		"APIKeyController_importAPIKey": "api-keys import --set key=k", "APIKeyController_revokeAPIKey": "api-keys revoke i",
		"AccountConnectionController_testAccountConnection": "connections test i",
		"WebhookController_rotateSecret":                    "webhooks rotate-secret i", "WebhookController_testWebhook": "webhooks test i",
		"WebhookDeliveryController_getDelivery": "deliveries get i", "WebhookDeliveryController_listDeliveries": "deliveries list",
		"WebhookDeliveryController_replayDeliveries":         "deliveries replay i",
		"TrunkController_testTrunk":                          "trunks test n",
		"AccountConnectionController_addToSteeringPool":      "connections add-to-steering-pool i +1",
		"AccountConnectionController_removeFromSteeringPool": "connections remove-from-steering-pool i +1",
	}
	for command, noun := range map[string]string{
		"agents": "Agent", "prompts": "Prompt", "actions": "Action", "voices": "Voice", "webhooks": "Webhook", "members": "Member",
		"connections": "AccountConnection", "vector-databases": "VectorDatabase", "trunks": "Trunk", "environments": "Environment", "api-keys": "APIKey",
	} {
		all[noun+"Controller_get"+noun] = command + " get i"
		all[noun+"Controller_list"+noun+"s"] = command + " list"
		property := map[string]string{"Member": "name", "Environment": "name", "VectorDatabase": "index", "Trunk": "name"}[noun]
		if property == "" {
			property = "label"
		}
		all[noun+"Controller_create"+noun] = command + " create --set " + property + "=x"
		all[noun+"Controller_update"+noun] = command + " update i --set " + property + "=x"
		if noun != "Environment" && noun != "APIKey" {
			all[noun+"Controller_delete"+noun] = command + " delete i"
		}
	}
	return all
}

// TestTheCommandLineMirrorsTheAPI runs a command for each operation of the
// document and looks at what it asks.
func TestTheCommandLineMirrorsTheAPI(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromFile("../../api/contract/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	commands, excepted := mirrored(), notMirrored()
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			args, ok := commands[op.OperationID]
			if _, without := excepted[op.OperationID]; ok == without {
				t.Errorf("%s: has a command %t, excepted %t", op.OperationID, ok, without)
			}
			delete(commands, op.OperationID)
			if !ok {
				continue
			}
			body := `{"items":[]}`
			if strings.Contains(op.OperationID, "bulk") {
				body = "[]"
			}
			code, _, errs, seen := say(t, body, strings.Fields(args)...)
			want := method + " " + strings.ReplaceAll(path, "{id}", "%7Bid%7D")
			if rest, asks := strings.CutPrefix(seen, want); code != 0 || !asks || !strings.ContainsAny(rest[:1], " ?") {
				t.Errorf("%s: %s asks %s, want %s (exit %d, %s)", op.OperationID, args, seen, want, code, errs)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		t.Errorf("%s: no such operation", name)
	}
}
