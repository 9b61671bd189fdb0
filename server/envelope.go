package server

import "github.com/rejoin-dev/rejoin/gen"

// The envelopes of a success, one for each family. A page has its own: see page.go.

// system is that of the System API, where older clients read the message twice.
func system(message string) gen.SystemMeta {
	return gen.SystemMeta{Success: true, Message: message, DevMessage: message}
}

// application is that of the Application API.
func application(status int32) gen.ApplicationMeta {
	return gen.ApplicationMeta{Status: "success", StatusCode: status}
}

// integration is the status of a success in the Integration API.
const integration = "success"
