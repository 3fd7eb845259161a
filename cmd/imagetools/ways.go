package main

import "imagetools/fault"

// ways are the hints for the ways out of faults that packages below know by name: here it is known
// which flag or command takes each.
var ways = map[fault.Way]string{}
