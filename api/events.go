package api

import "sync"

// Who follows an event, as its x-seen-by says.
const (
	SeenByChannel       = "channel"       // whoever sees the channel in which it has happened
	SeenByMember        = "member"        // every member
	SeenBySelf          = "self"          // the member whom it is about, and administrators
	SeenByAdministrator = "administrator" // administrators
)

// SeenBy tells who follows events of a kind, such as message.posted: SeenByAdministrator, unless the contract says otherwise.
func SeenBy(kind string) string {
	if seenBy := seenBy()[kind]; seenBy != "" {
		return seenBy
	}
	return SeenByAdministrator
}

var seenBy = sync.OnceValue(func() map[string]string {
	kinds := map[string]string{}
	document, err := Document()
	if err != nil {
		return kinds
	}
	for _, schema := range document.Components.Schemas {
		seenBy, _ := schema.Value.Extensions["x-seen-by"].(string)
		if kind := schema.Value.Properties["type"]; seenBy != "" && kind != nil && len(kind.Value.Enum) == 1 {
			kinds[kind.Value.Enum[0].(string)] = seenBy
		}
	}
	return kinds
})
