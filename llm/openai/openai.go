// Package openai is the driver of OpenAI's chat completions, see
// https://platform.openai.com/docs/api-reference/chat, and of the many servers that
// speak the same protocol: Azure OpenAI, Ollama, vLLM, llama.cpp, Together,
// DeepSeek and OpenRouter.
//
// Not verified with the vendors' services: which local servers refuse
// stream_options (those that were looked at ignore what they do not know), and the
// Azure API versions before 2024-09-01-preview, which refuse it.
package openai

import (
	"cmp"
	"context"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/answer"
	"github.com/sidetone/sidetone/provider"
)

const (
	// officialBase is where OpenAI's own interface is, and officialHost what the hosts of
	// its regions end in, see https://platform.openai.com/docs/guides/your-data.
	officialBase = "https://api.openai.com/v1"
	officialHost = "api.openai.com"
	// defaultModel serves requests that name none.
	defaultModel = "gpt-4.1-mini"
)

// Options say which server a Driver works with.
type Options struct {
	// Client sends the requests. Its Authorise adds "Authorization: Bearer KEY", for
	// Azure "api-key: KEY".
	Client *provider.Client
	// Base is the address of the interface up to "/v1"; "" is OpenAI's own. Azure with
	// a version needs that of the resource, such as "https://NAME.openai.azure.com".
	Base string
	// Model serves requests that name none; "" is gpt-4.1-mini.
	Model string
	// Deployment is that of Azure which serves all requests; "" says that deployments
	// are called like the models.
	Deployment string
	// AzureVersion is the api-version of Azure, such as "2024-10-21"; "" says that it
	// is not Azure.
	AzureVersion string
	// NoUsage leaves stream_options out, for servers that refuse it; answers then
	// count no tokens. Servers that only do not know it need nothing.
	NoUsage bool
}

// Driver is an llm.Driver. It is safe for concurrent use.
//
// An answer that became too long (finish_reason length) is an answer: what was
// said stands. One that the vendor's filter ended (content_filter) is a failure of
// the kind Rejected, whatever was said before it.
type Driver struct {
	o Options
	// own says that it is an interface of OpenAI's, and new that it knows what OpenAI has
	// added to the protocol, as Azure's does.
	own, new bool
}

// New returns a Driver.
func New(o Options) *Driver {
	o.Base = strings.TrimRight(o.Base, "/")
	if o.Base == "" && o.AzureVersion == "" {
		o.Base = officialBase
	}
	if o.Model == "" {
		o.Model = defaultModel
	}
	host := ""
	if u, err := url.Parse(o.Base); err == nil {
		host = u.Hostname()
	}
	own := within(host, officialHost)
	return &Driver{o: o, own: own, new: own || o.AzureVersion != "" || within(host, "azure.com")}
}

// within reports whether a host is a domain or in it.
func within(host, domain string) bool {
	return strings.EqualFold(host, domain) || strings.HasSuffix(strings.ToLower(host), "."+domain)
}

// Warm implements llm.Warmer.
func (d *Driver) Warm(ctx context.Context) { d.o.Client.Warm(ctx, d.o.Base) }

// Generate streams one answer, see llm.Driver.
func (d *Driver) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	return answer.Stream(ctx, answer.Request{Client: d.o.Client, URL: d.url(d.model(r.Model)), Body: d.body(r),
		Parser: func(out *answer.Out) answer.Parser { return newParser(d.o.Client, out) }})
}

// url is where a model is asked.
func (d *Driver) url(model string) string {
	if d.o.AzureVersion == "" {
		return d.o.Base + "/chat/completions"
	}
	return d.o.Base + "/openai/deployments/" + url.PathEscape(model) + "/chat/completions?api-version=" + url.QueryEscape(d.o.AzureVersion)
}

// model is who answers when a request names name.
func (d *Driver) model(name string) string { return cmp.Or(d.o.Deployment, name, d.o.Model) }

// TakesTemperature implements llm.Selective: OpenAI's models that reason do not, wherever
// they are. What a deployment is called need not say which model it has, so the other names
// count as well.
func (d *Driver) TakesTemperature(model string) bool {
	return !reasons(d.o.Deployment) && !reasons(cmp.Or(model, d.o.Model))
}

// TakesModel implements llm.Selective: a deployment has one model.
func (d *Driver) TakesModel() bool { return d.o.Deployment == "" }

// reasons reports whether a model refuses to be told a temperature, see
// https://platform.openai.com/docs/guides/reasoning. Sellers of many vendors' models put
// the vendor's name before it. The models gpt-5-chat do not reason.
func reasons(model string) bool {
	model = strings.ToLower(model[strings.LastIndexByte(model, '/')+1:])
	return !strings.HasPrefix(model, "gpt-5-chat") && slices.ContainsFunc([]string{"o1", "o3", "o4", "gpt-5"}, func(p string) bool { return strings.HasPrefix(model, p) })
}
