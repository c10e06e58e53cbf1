// A vCenter that keeps what is uploaded: govmomi's simulator, as Debian packages it, with its own certificate.
//
//	simulator -certificate FILE -key FILE -uploads DIRECTORY [-esx]
//
// A vCenter has three datastores, of which LocalDS_1 is of Virtual Volumes, and an empty datastore cluster; with -esx it
// is an ESXi host by itself.
// Prints its address as one line. By itself the simulator throws the octets of an import away; here each request
// below /nfc/ also goes into a file of that directory, named after the last part of its path.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	certificate := flag.String("certificate", "", "chain, PEM")
	key := flag.String("key", "", "of the certificate, PEM")
	uploads := flag.String("uploads", "", "directory for what is uploaded")
	esx := flag.Bool("esx", false, "an ESXi host by itself")
	flag.Parse()

	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	model := simulator.VPX()
	if *esx {
		model = simulator.ESX()
	} else {
		model.Datastore = 3
		model.Pod = 1
	}
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	for _, one := range simulator.Map.All("Datastore") {
		datastore := one.(*simulator.Datastore)
		if datastore.Name == "LocalDS_1" && !*esx {
			datastore.Summary.Type = "VVOL"
		}
	}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword("user", "password")}
	server := model.Service.NewServer()
	server.Config.Handler = keeping(server.Config.Handler, *uploads)
	fmt.Println(server.URL.Host)
	// It ends with whoever started it: nobody else holds the other end.
	io.Copy(io.Discard, os.Stdin)
}

// keeping lets a copy of what is uploaded go into a file while the simulator reads it.
func keeping(next http.Handler, uploads string) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if strings.HasPrefix(request.URL.Path, "/nfc/") {
			file, err := os.Create(filepath.Join(uploads, path.Base(request.URL.Path)))
			if err != nil {
				http.Error(answer, err.Error(), http.StatusInternalServerError)
				return
			}
			defer file.Close()
			request.Body = io.NopCloser(io.TeeReader(request.Body, file))
		}
		next.ServeHTTP(answer, request)
	})
}
