package conformance

import (
	"fmt"
	"strings"
	"time"
)

// Where files of many members are sent, and asked about.
const (
	bulkUpdates = "/apis/v1/users/bulk-update"
	bulkImports = "/apis/v1/users/bulk-import"
	bulkPremium = "/apis/v1/users/premium-currency/bulk-update"
	bulkFiles   = "/apis/v1/bulk-updates"
)

// sends sends a file.
func (k key) sends(path, file string, more ...part) *answer {
	return k.submit("POST", path, append(more, upload("data", "rows.csv", "text/csv", []byte(file)))...)
}

// ended waits until a file that was sent has ended, and returns how.
func (k key) ended(sent *answer) *answer {
	id := sent.expect(200).text("/data/bulkId")
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		is := k.get(bulkFiles + "/" + id + "/status").expect(200)
		if is.at("/data/finishedAt") != nil {
			return is
		}
		if time.Now().After(end) {
			is.stop("the file has not ended within a minute")
		}
	}
}

// bulkKey is a key of the server of a scene that may send files.
func (x *scene) bulkKey() key { return x.a.makesKey(x.server, "bulkUpdateUser") }

// bulk is the id of a file of the server of a scene.
func (x *scene) bulk() string {
	if x.known["bulk"] == "" {
		x.known["bulk"] = x.bulkKey().sends(bulkUpdates, "identifier,xp_op,xp\r\n"+x.server.owner+",add,0\r\n").expect(200).text("/data/bulkId")
	}
	return x.known["bulk"]
}

// longFile is a file that takes a while, and changes nothing.
func longFile() string {
	return "identifier,xp_op,xp\r\n" + strings.Repeat("nobody@example.invalid,add,0\r\n", 10_000)
}

// bulk are the test cases of the tag bulk.
var bulk = []testCase{
	{"BULK-UPDATE-01", "bulkUpdate getBulkStatus getBulkDetails badges keys", "each row is done once, alone, and says what became of it", func(s *session) {
		club := s.a.makesServer("Chess club")
		number, k := s.b.joins(club), s.a.makesKey(club, "bulkUpdateUser", "badges")
		file := "identifier,coins_op,coins,xp\r\n" + number + ",add,10,7\r\n" + number + ",subtract,4,\r\nnobody@example.invalid,add,1,\r\n" + number + ",subtract,100,\r\n" +
			number + ",take,1,\r\n" + number + ",add,-1,\r\n" + number + ",add\r\n" + club.owner + ",overwrite,3,\r\n"
		done := k.ended(k.sends(bulkUpdates, file).says("Bulk update user process is queued"))
		done.has("/data", object{"type": "update", "status": "done_with_errors", "total": 8, "processed": 8, "succeeded": 3, "failed": 5})
		s.owns(club, number, 7, 6)
		s.owns(club, club.owner, 0, 3)
		id := done.text("/data/bulkId")
		failed := k.get(bulkFiles + "/" + id + "/details?result=failed").expect(200)
		for i, column := range []string{"identifier", "coins", "coins_op", "coins", ""} {
			failed.is(fmt.Sprintf("/data/%d/row", i), 3+i).is(fmt.Sprintf("/data/%d/errors/0/column", i), column)
		}
		first := k.get(bulkFiles + "/" + id + "/details?limit=3").expect(200)
		second := k.get(bulkFiles + "/" + id + "/details?limit=3&cursor=" + first.text("/pagination/nextCursor")).expect(200)
		second.is("/data/0/row", 4).is("/data/2/row", 6)
	}},

	{"BULK-FILE-01", "getBulkDetails bulkUpdate keys", "the details are a file, too, in which no cell is a formula", func(s *session) {
		k := s.a.makesKey(s.a.makesServer("Chess club"), "bulkUpdateUser")
		id := k.ended(k.sends(bulkUpdates, "identifier,xp\r\n=1+1,1\r\n\"@a,\"\"b\"\"\",2\r\n")).text("/data/bulkId")
		got := k.with("Accept", "text/csv").get(bulkFiles + "/" + id + "/details").expect(200)
		got.carries("Content-Type", "text/csv")
		for _, want := range []string{"row,identifier,result,column,message\n", "\n1,'=1+1,failed,identifier,", "\n2,\"'@a,\"\"b\"\"\",failed,"} {
			if !strings.Contains(string(got.raw), want) {
				got.fail("the file does not have %q", want)
			}
		}
	}},

	{"BULK-REFUSED-01", "bulkUpdate bulkImport bulkUpdatePremium listBulkUpdates keys", "a file that is none is refused at once, and leaves nothing", func(s *session) {
		k := s.a.makesKey(s.a.makesServer("Chess club"), "bulkUpdateUser")
		for _, file := range []string{
			"", "identifier,xp\r\n", "identifier,nonsense\r\n2,1\r\n", "xp\r\n1\r\n", "identifier,xp,xp\r\n2,1,1\r\n", "identifier,xp_op\r\n2,add\r\n", "identifier,xp\r\n2,\x00\r\n",
			"identifier,xp\r\n2,\xff\r\n", "identifier,xp\r\n2,\"1\r\n", "\xff\xfei\x00d\x00", "i\x00d\x00",
		} {
			k.sends(bulkUpdates, file).refuses("/data", "malformed")
		}
		k.sends(bulkPremium, "identifier,amount\r\n2,1\r\n").refuses("/data", "malformed")
		k.sends(bulkImports, "email\r\na@example.com\r\n").refuses("/data", "malformed")
		k.sends(bulkImports, "firstname,lastname,username,displayname,email\r\na,b,c,d,e@example.com\r\n", field("communityId", unknownID())).expect(404)
		k.get(bulkFiles).expect(200).is("/data", []any{})
	}},

	{"BULK-IMPORT-01", "bulkImport getBulkDetails users keys", "each row of an import makes a member, or says why not", func(s *session) {
		club := s.a.makesServer("Chess club")
		k := s.a.makesKey(club, "bulkUpdateUser", "getUserData")
		email, name := freshEmail(), "conf-"+unknownID()
		file := "\xEF\xBB\xBFfirstname,lastname,username,displayname,email\nVera,Menchik," + name + ",Vera," + email + "\nVera,Menchik," + name + "x,Vera," + email + "\n,Menchik,a b,Vera,nonsense\n"
		done := k.ended(k.sends(bulkImports, file, field("communityId", club.id)).says("Bulk import user process is queued"))
		done.has("/data", object{"type": "import", "status": "done_with_errors", "succeeded": 1, "failed": 2})
		k.post("/apis/v1/users/info", object{"idOrEmail": email}).expect(200).has("/data", object{"username": name, "firstName": "Vera", "lastName": "Menchik"})
	}},

	{"BULK-PREMIUM-01", "bulkUpdatePremium getMemberBalance listActivityLogs badges gamification keys", "premium currency is added, taken and set, and nobody has less than none", func(s *session) {
		club := s.a.makesServer("Chess club")
		k := s.a.makesKey(club, "bulkUpdateUser", "badges", "getUserStats")
		file := "identifier,amount_op,amount,reason\r\n" + club.owner + ",add,10,Spring open\r\n" + club.owner + ",subtract,11,\r\n" + club.owner + ",subtract,3,\r\n"
		k.ended(k.sends(bulkPremium, file).says("Bulk update premium currency process is queued")).has("/data", object{"succeeded": 2, "failed": 1})
		k.get(club.path("/members/"+club.owner+"/balance")).expect(200).is("/body", object{"xp": 0, "coins": 0, "premium": 7})
		logs := k.post("/apis/v1/users/activity/logs", object{"identifier": club.owner, "identifier_type": "id"}).expect(200)
		logs.has("/data/logs/1", object{"action": "bulk", "premium": 10})
		if !strings.HasSuffix(logs.text("/data/logs/1/reason"), ": Spring open") {
			logs.fail("the ledger does not say why")
		}
	}},

	{"BULK-ONCE-01", "bulkUpdate getMemberBalance badges keys", "a file that is sent again under its Idempotency-Key is not done again", func(s *session) {
		club := s.a.makesServer("Chess club")
		k := s.a.makesKey(club, "bulkUpdateUser", "badges")
		again := k
		again.caller = k.with("Idempotency-Key", unknownID())
		file := "identifier,coins_op,coins\r\n" + club.owner + ",add,10\r\n"
		first := again.sends(bulkUpdates, file)
		k.ended(first)
		k.ended(again.sends(bulkUpdates, file).expect(200).is("/data/bulkId", first.text("/data/bulkId")))
		again.sends(bulkUpdates, file+club.owner+",add,1\r\n").expect(409)
		s.owns(club, club.owner, 0, 10)
	}},

	{"BULK-CANCEL-01", "cancelBulkUpdate bulkUpdate getMemberBalance badges keys", "a file that waits is cancelled whole, and one that has ended is a conflict", func(s *session) {
		club := s.a.makesServer("Chess club")
		k := s.a.makesKey(club, "bulkUpdateUser", "badges")
		long := k.sends(bulkUpdates, longFile())
		waits := k.sends(bulkUpdates, "identifier,xp_op,xp\r\n"+club.owner+",add,10\r\n").expect(200).text("/data/bulkId")
		k.post(bulkFiles+"/"+waits+"/cancel", nil).expect(200).has("/data", object{"status": "cancelled", "processed": 0})
		k.ended(long)
		k.post(bulkFiles+"/"+waits+"/cancel", nil).expect(409)
		k.post(bulkFiles+"/"+long.text("/data/bulkId")+"/cancel", nil).expect(409)
		s.owns(club, club.owner, 0, 0)
	}},

	{"BULK-TEMPLATE-01", "getBulkTemplate bulkUpdate fields keys", "the template has the columns of the community, and is a file to begin with", func(s *session) {
		club := s.a.makesServer("Chess club")
		s.a.makesField(club, object{"field": "rating", "type": "number"})
		k := s.a.makesKey(club, "bulkUpdateUser", "userFields")
		got := k.with("Accept", "text/csv").get(bulkFiles + "/template?type=update").expect(200)
		got.carries("Content-Type", "text/csv")
		if want := "identifier,xp_op,xp,coins_op,coins,rating_op,rating\n"; string(got.raw) != want {
			got.fail("the template is %q, want %q", got.raw, want)
		}
		k.get(bulkFiles+"/template").expect(200).is("/data/columns/0", object{"name": "identifier", "required": true})
		k.ended(k.sends(bulkUpdates, "identifier,rating_op,rating\r\n"+club.owner+",,5\r\n"+club.owner+",add,2.5\r\n")).is("/data/status", "done")
		s.a.get("/apis/v1/communities/"+club.id+"/user-field-histories").expect(200).is("/data/0/value", 7.5)
	}},
}
