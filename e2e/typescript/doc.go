// Package typescript generates clients from the document that the program serves,
// with three generators that TypeScript programmers use, compiles a call of every
// operation with each, and lets them talk to the program.
package typescript
