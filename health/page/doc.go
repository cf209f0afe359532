// Package page shows a [health.Snapshot] to people: as the status page in a
// browser, and as text on a terminal.
//
//	NewView  pure: snapshot and traffic become a View, all words chosen
//	Handler  the View as one HTML document, at most once a second
//	Traffic  what came in through the tunnel in the last ten minutes
//	Text     the answer of /status, for rsagent status
//
// The page draws the packet's way and says at each hop whether it is in order.
// What was not observed is grey, never green; colour is never the only sign.
// The document is whole in itself: no other resource is loaded, and its policy
// forbids any. Without JavaScript it is a snapshot that reloads itself.
package page
