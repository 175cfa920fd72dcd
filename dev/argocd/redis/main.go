// A Redis server for Argo CD's cache, in memory: what a test needs of Redis, without a package of the system.
//
// It prints the address that it listens at and ends with its process.
package main

import (
	"fmt"
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// How often the time goes on for keys that end by themselves: miniredis has no clock of its own.
const tick = time.Second

func main() {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.Addr())
	for range time.Tick(tick) {
		server.FastForward(tick)
	}
}
