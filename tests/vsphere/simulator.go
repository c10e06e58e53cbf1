// A vCenter that keeps what is uploaded: govmomi's simulator, as Debian packages it, with its own certificate.
//
//	simulator -certificate FILE -key FILE -uploads DIRECTORY [-esx] [-lost HOST] [-unscheduled] [-deny PRIVILEGE@OBJECT]
//
// A vCenter has three datastores, of which LocalDS_1 is of Virtual Volumes, and an empty datastore cluster; with -esx it
// is an ESXi host by itself. POST /tests/room?octets=N has LocalDS_0 have so many left, and refuse an upload of more;
// without octets it has as many as at the beginning. The ESXi host -lost does not respond; whoever logs in lacks what -deny says.
// With -unscheduled its cluster has no DRS: it makes no resource pools, and is to be told the ESXi host of a VM.
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
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func main() {
	certificate := flag.String("certificate", "", "chain, PEM")
	key := flag.String("key", "", "of the certificate, PEM")
	uploads := flag.String("uploads", "", "directory for what is uploaded")
	esx := flag.Bool("esx", false, "an ESXi host by itself")
	lost := flag.String("lost", "", "an ESXi host that does not respond")
	unscheduled := flag.Bool("unscheduled", false, "a cluster without DRS")
	deny := flag.String("deny", "", "a privilege that nobody has on the object of this name")
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
	if *lost != "" {
		lose(*lost)
	}
	if *unscheduled {
		unschedule()
	}
	if privilege, name, found := strings.Cut(*deny, "@"); found {
		withhold(privilege, name)
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
		if request.URL.Path == "/tests/room" {
			leave(request.URL.Query().Get("octets"))
			return
		}
		if strings.HasPrefix(request.URL.Path, "/folder/") && !located(request.URL.Query().Get("dcPath")) {
			http.Error(answer, "Not Found", http.StatusNotFound)
			return
		}
		if left := atomic.LoadInt64(&room); left >= 0 && strings.HasPrefix(request.URL.Path, "/nfc/") && request.ContentLength > left {
			io.CopyN(io.Discard, request.Body, left)
			http.Error(answer, "No space left on device", http.StatusInternalServerError)
			return
		}
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

// located says whether a datacenter has this path; by itself the simulator also finds one by its last part.
func located(wanted string) bool {
	for _, one := range simulator.Map.All("Datacenter") {
		entity := one.Entity()
		name, above := entity.Name, entity.Parent
		for above != nil {
			folder := simulator.Map.Get(*above).(mo.Entity).Entity()
			if folder.Parent != nil {
				name = folder.Name + "/" + name
			}
			above = folder.Parent
		}
		if name == wanted {
			return true
		}
	}
	return false
}

// room is how many octets LocalDS_0 has left, where a test said so.
var room int64 = -1

// usual is what it has otherwise.
var usual int64 = -1

func leave(octets string) {
	left, err := strconv.ParseInt(octets, 10, 64)
	if err != nil {
		left = -1
	}
	atomic.StoreInt64(&room, left)
	for _, one := range simulator.Map.All("Datastore") {
		datastore := one.(*simulator.Datastore)
		if datastore.Name != "LocalDS_0" {
			continue
		}
		simulator.Map.WithLock(datastore.Reference(), func() {
			if usual < 0 {
				usual = datastore.Summary.FreeSpace
			}
			datastore.Summary.FreeSpace = usual
			if left >= 0 {
				datastore.Summary.FreeSpace = left
			}
		})
	}
}

// lostNetworks are those of an ESXi host that vCenter does not reach: it tells nothing of them, and changes nothing.
type lostNetworks struct {
	simulator.HostNetworkSystem
}

func (s *lostNetworks) AddPortGroup(*types.AddPortGroup) soap.HasFault {
	return &methods.AddPortGroupBody{Fault_: simulator.Fault("", &types.HostNotConnected{})}
}

func (s *lostNetworks) RemovePortGroup(*types.RemovePortGroup) soap.HasFault {
	return &methods.RemovePortGroupBody{Fault_: simulator.Fault("", &types.HostNotConnected{})}
}

func lose(name string) {
	for _, one := range simulator.Map.All("HostSystem") {
		host := one.(*simulator.HostSystem)
		if host.Name == name {
			host.Runtime.ConnectionState = types.HostSystemConnectionStateNotResponding
			networks := simulator.Map.Get(*host.ConfigManager.NetworkSystem).(*simulator.HostNetworkSystem)
			networks.NetworkInfo = nil
			simulator.Map.Put(&lostNetworks{*networks})
			return
		}
	}
	log.Fatalf("there is no ESXi host %s", name)
}

// rootPool is the only resource pool of a cluster without DRS.
type rootPool struct {
	simulator.ResourcePool
}

func (p *rootPool) CreateResourcePool(*types.CreateResourcePool) soap.HasFault {
	return &methods.CreateResourcePoolBody{Fault_: simulator.Fault("", &types.NotSupported{})}
}

func (p *rootPool) ImportVApp(ctx *simulator.Context, request *types.ImportVApp) soap.HasFault {
	if request.Host == nil {
		return &methods.ImportVAppBody{Fault_: simulator.Fault("", &types.InvalidArgument{InvalidProperty: "host"})}
	}
	return p.ResourcePool.ImportVApp(ctx, request)
}

func unschedule() {
	for _, one := range simulator.Map.All("ClusterComputeResource") {
		cluster := one.(*simulator.ClusterComputeResource)
		cluster.ConfigurationEx.(*types.ClusterConfigInfoEx).DrsConfig.Enabled = types.NewBool(false)
		pool := simulator.Map.Get(*cluster.ResourcePool).(*simulator.ResourcePool)
		simulator.Map.Put(&rootPool{*pool})
	}
}

// lesser grants all but one privilege on the objects of one name.
type lesser struct {
	simulator.AuthorizationManager
	privilege, name string
}

func (m *lesser) grants(entity types.ManagedObjectReference, privilege string) bool {
	return privilege != m.privilege || simulator.Map.FindByName(m.name, []types.ManagedObjectReference{entity}) == nil
}

func (m *lesser) HasPrivilegeOnEntity(request *types.HasPrivilegeOnEntity) soap.HasFault {
	granted := make([]bool, len(request.PrivId))
	for i, privilege := range request.PrivId {
		granted[i] = m.grants(request.Entity, privilege)
	}
	response := &types.HasPrivilegeOnEntityResponse{Returnval: granted}
	return &methods.HasPrivilegeOnEntityBody{Res: response}
}

func (m *lesser) HasPrivilegeOnEntities(request *types.HasPrivilegeOnEntities) soap.HasFault {
	response := &types.HasPrivilegeOnEntitiesResponse{}
	for _, entity := range request.Entity {
		told := types.EntityPrivilege{Entity: entity}
		for _, privilege := range request.PrivId {
			granted := m.grants(entity, privilege)
			availability := types.PrivilegeAvailability{PrivId: privilege, IsGranted: granted}
			told.PrivAvailability = append(told.PrivAvailability, availability)
		}
		response.Returnval = append(response.Returnval, told)
	}
	return &methods.HasPrivilegeOnEntitiesBody{Res: response}
}

func withhold(privilege, name string) {
	reference := types.ManagedObjectReference{Type: "AuthorizationManager", Value: "AuthorizationManager"}
	manager := simulator.Map.Get(reference).(*simulator.AuthorizationManager)
	simulator.Map.Put(&lesser{*manager, privilege, name})
}
