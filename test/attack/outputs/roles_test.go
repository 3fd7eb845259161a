package outputs

// roles are what a copy of this test program can play.
var roles = map[string]func(args []string){}
