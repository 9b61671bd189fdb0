package server

import "github.com/rejoin-dev/rejoin/gen"

// done is the envelope of a success in the System API.
func done(message string) gen.SystemMeta {
	return gen.SystemMeta{Success: true, Message: message, DevMessage: message}
}

// succeeded is the envelope of a success in the Application API.
func succeeded(status int32) gen.ApplicationMeta {
	return gen.ApplicationMeta{Status: "success", StatusCode: status}
}
