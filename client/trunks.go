package client

import (
	"context"
	"net/url"
)

// Trunk is a carrier or a telephone system that the environment brought itself.
type Trunk struct {
	// ID names the trunk.
	ID string `json:"id,omitempty"`
	// UserID is the account; answers only.
	UserID string `json:"user_id,omitempty"`
	// Name is unique in the environment.
	Name string `json:"name,omitempty"`
	// Host is host:port to which calls are sent; empty: the trunk takes none.
	Host string `json:"host,omitempty"`
	// Transport is udp, tcp or tls; empty: what the DNS says, else udp.
	Transport string `json:"transport,omitempty"`
	// TargetTimeout is how long one of the host's targets may take to respond before
	// the next one is tried, such as "4s", also when empty.
	TargetTimeout string `json:"target_timeout,omitempty"`
	// Redirects calls the other number that the trunk names with 301 or 302, once a call.
	Redirects *bool `json:"redirects,omitempty"`
	// TLS says which certificate the trunk must have.
	TLS *TrunkTLS `json:"tls,omitempty"`
	// OutboundProxy is host[:port][;transport]: where requests go in place of Host.
	OutboundProxy string `json:"outbound_proxy,omitempty"`
	// KeepAlive is how often the trunk is asked whether it is there, such as "30s".
	KeepAlive string `json:"keepalive,omitempty"`
	// Register keeps registered at Host as Username, RegisterExpires is for how long,
	// and ContactUser the user to whom calls are sent then.
	Register        *bool  `json:"register,omitempty"`
	RegisterExpires string `json:"register_expires,omitempty"`
	ContactUser     string `json:"contact_user,omitempty"`
	// Country is that of national numbers; Called and Calling say how the trunk writes
	// numbers, each with in and out, and these with strip, prepend and plus.
	Country string         `json:"country,omitempty"`
	Called  map[string]any `json:"called,omitempty"`
	Calling map[string]any `json:"calling,omitempty"`
	// AssertedIdentity believes P-Asserted-Identity; AnyCallerID lets calls show numbers
	// that the trunk does not list.
	AssertedIdentity *bool `json:"asserted_identity,omitempty"`
	AnyCallerID      *bool `json:"any_caller_id,omitempty"`
	// Transfer is how its callers are handed over: auto, refer or bridge.
	Transfer string `json:"transfer,omitempty"`
	// HeadersIn are headers that become variables of a call.
	HeadersIn map[string]string `json:"headers_in,omitempty"`
	// HeadersOut are headers of each call to the trunk, and of each hang-up.
	HeadersOut map[string]string `json:"headers_out,omitempty"`
	// Addresses are the networks that calls come from.
	Addresses []string `json:"addresses,omitempty"`
	// Username and Password log on at the host, and callers here.
	Username string     `json:"username,omitempty"`
	Password Credential `json:"password,omitempty"`
	// Realm is the one whose challenges are answered; empty: any of the host's.
	Realm string `json:"realm,omitempty"`
	// Numbers ring here, and calls come from them.
	Numbers []string `json:"numbers,omitempty"`
	// Media shapes the sound.
	Media *TrunkMedia `json:"media,omitempty"`
	// Preset names the carrier or system.
	Preset string `json:"preset,omitempty"`
}

// TrunkMedia shapes the sound of a trunk.
type TrunkMedia struct {
	// Sources says from where sound may come: peer, strict or learn.
	Sources string `json:"sources,omitempty"`
	// SRTP is off, prefer or require; SRTPOverClear exchanges keys without TLS, too.
	SRTP          string `json:"srtp,omitempty"`
	SRTPOverClear *bool  `json:"srtp_over_clear,omitempty"`
}

// TrunkTLS says which certificate a trunk must have.
type TrunkTLS struct {
	// ServerName is the name in it; empty: the host's.
	ServerName string `json:"server_name,omitempty"`
	// Insecure takes any.
	Insecure *bool `json:"insecure,omitempty"`
}

// TrunkTest is what came of a test.
type TrunkTest struct {
	// ID is the trunk's; empty for one of the server's configuration. Name is its name.
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	// OK says that no step failed.
	OK bool `json:"ok"`
	// Checks are the steps.
	Checks []TrunkCheck `json:"checks,omitempty"`
}

// TrunkCheck is one step of a test.
type TrunkCheck struct {
	// Step is options, register or call.
	Step string `json:"step,omitempty"`
	OK   bool   `json:"ok"`
	// Skipped says that there was nothing to do; Detail then says why, else what came
	// back.
	Skipped bool   `json:"skipped,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// LatencyMS is the time up to the response, or to the first sound that came back.
	LatencyMS int64 `json:"latency_ms,omitempty"`
	// Error says what went wrong, Remedy what to do about it.
	Error  string `json:"error,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// Trunks are carriers and telephone systems of the environment's own. What Trunk does
// not have goes through Client.Do and Change.
type Trunks struct{ Resource[Trunk] }

// Trunks are carriers and telephone systems of the environment's own.
func (c *Client) Trunks() Trunks { return Trunks{resourceAt[Trunk](c, "/v1/trunks")} }

// Test tests a trunk by its name or id. echo is a number that says back what it hears;
// "" for the one that the trunk's preset knows.
func (t Trunks) Test(ctx context.Context, nameOrID, echo string) (TrunkTest, error) {
	query := url.Values{"name": {nameOrID}}
	if len(nameOrID) == idLength {
		query = byID(nameOrID)
	}
	if echo != "" {
		query.Set("echo", echo)
	}
	var out TrunkTest
	err := t.c.post(ctx, t.path+"/test", query, nil, &out)
	return out, err
}
