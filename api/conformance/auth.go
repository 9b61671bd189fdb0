package conformance

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// onItsWay is said to everybody who asks for a code, so that nobody learns who has an account.
const onItsWay = "If the account exists, a code is on its way"

// freshEmail is an address that nobody has.
func freshEmail() string { return "conformance-" + unknownID() + "@example.com" }

// account is somebody whom the suite has registered.
type account struct {
	email, password string
	token           string // of a session
}

// code is the newest code that was mailed to an address. One that was asked for before does not count: another mail is
// under way.
func (s *session) code(email string) string {
	for deadline := time.Now().Add(mailPatience); ; time.Sleep(mailPause) {
		code, err := s.suite.target.Code(s.ctx, email)
		if err != nil {
			s.stop("no code for %s: %v", email, err)
		}
		s.suite.mu.Lock()
		seen := s.suite.codes[email] == code
		s.suite.codes[email] = code
		s.suite.mu.Unlock()
		if !seen {
			return code
		}
		if time.Now().After(deadline) || s.ctx.Err() != nil {
			s.stop("no new code came for %s", email)
		}
	}
}

// newcomer is an account that is made once in a run, verified and logged in. Test cases may change it and put it back.
func (s *session) newcomer() account {
	s.suite.mu.Lock()
	known := s.suite.newcomer
	s.suite.mu.Unlock()
	if known.token == "" {
		known = account{email: freshEmail(), password: "correct horse battery staple"}
		s.anonymous.post("/auth/register", object{"email": known.email, "password": known.password}).expect(201)
		verified := s.anonymous.post("/auth/verify-email", object{"email": known.email, "code": s.code(known.email), "password": known.password}).expect(200)
		known.token = verified.text("/body/token")
		s.keep(known)
	}
	return known
}

// keep changes the newcomer for the test cases that follow.
func (s *session) keep(newcomer account) {
	s.suite.mu.Lock()
	defer s.suite.mu.Unlock()
	s.suite.newcomer = newcomer
}

// as is a caller with the session of an account.
func (s *session) as(token string) caller {
	c := s.anonymous.bearer(token)
	c.name = "newcomer"
	return c
}

// opensSession checks the answer that gives a session token, and returns the token.
func (a *answer) opensSession(message string, of account) (token string) {
	a.expect(200).says(message)
	a.is("/body/account/email", of.email).is("/body/account/verified", true)
	if life := time.Until(a.time("/body/expiresAt")); life < 30*24*time.Hour-time.Hour || life > 30*24*time.Hour+time.Hour {
		a.fail("the session ends in %v, want 30 days", life.Round(time.Minute))
	}
	return a.text("/body/token")
}

// auth are the test cases of the tag auth that need no mail. Backends limit how often one address may ask for these things:
// all test cases together, of every tag, ask fewer than a hundred times.
var auth = []testCase{
	{"AUTH-REGISTER-01", "registerAccount", "an account is made under the documented names, once, and cannot sign in before its address is verified", func(s *session) {
		email, username := freshEmail(), "c."+unknownID()
		wanted := object{
			"email": email, "password": strings.Repeat("пароль, as long as it may be; ", 4) + "12345678", "username": username,
			"displayName": "Vera M.", "firstName": "Vera", "lastName": "Menchik",
		}
		register := s.anonymous.under(unknownID())
		made := register.post("/auth/register", wanted).expect(201).says("Account has been registered successfully")
		made.has("/body", object{
			"email": email, "username": username, "displayName": "Vera M.", "firstName": "Vera", "lastName": "Menchik",
			"avatar": nil, "verified": false,
		})
		made.isRepeated(register.post("/auth/register", wanted))
		register.post("/auth/register", wanted.and(object{"email": freshEmail()})).expect(409)

		unverified := s.anonymous.post("/auth/login", object{"email": email, "password": wanted["password"]})
		unverified.expect(403).is("/body/code", "email_unverified")
		wrong := s.anonymous.post("/auth/login", object{"email": email, "password": "not the password"}).expect(401)
		nobody := s.anonymous.post("/auth/login", object{"email": freshEmail(), "password": "not the password"}).expect(401)
		if asJSON(wrong.at("/meta")) != asJSON(nobody.at("/meta")) || wrong.text("/body/code") != nobody.text("/body/code") {
			nobody.fail("tells who has an account: %s, and with a wrong password %s", nobody.summary(), wrong.summary())
		}
	}},

	{"AUTH-CODE-01", "resendCode forgotPassword", "asking for a code gets the same answer whether or not there is an account", func(s *session) {
		for _, ask := range []string{"/auth/resend-code", "/auth/forgot-password"} {
			asked := s.anonymous.post(ask, object{"email": freshEmail()}).expect(200).says(onItsWay)
			asked.is("/body", object{})
		}
	}},

	{"AUTH-ME-01", "getMe", "a session knows whose it is", func(s *session) {
		club := s.a.makesServer("Chess club")
		me := s.a.get("/auth/me").expect(200).says("Account")
		me.is("/body/id", club.owner).is("/body/verified", true)
		if other := s.b.get("/auth/me").expect(200); other.text("/body/id") == club.owner {
			other.fail("is the account of a")
		}
	}},
}

// mailedAuth are the test cases of the tag auth that need a code.
var mailedAuth = []testCase{
	{"AUTH-VERIFY-01", "mail verifyEmail", "the mailed code verifies an address and signs in, once; what is left out of a registration has a default", func(s *session) {
		email := freshEmail()
		one := account{email: email, password: "12345678"}
		made := s.anonymous.post("/auth/register", object{"email": email, "password": one.password}).expect(201)
		name, _, _ := strings.Cut(email, "@")
		made.has("/body", object{"username": nil, "displayName": name, "avatar": nil, "verified": false})

		code := s.code(email)
		verify := func(email, code string) *answer {
			return s.anonymous.post("/auth/verify-email", object{"email": email, "code": code, "password": one.password})
		}
		verify(email, otherCode(code)).refuses("/code", "")
		verify(freshEmail(), code).refuses("/code", "")
		verified := verify(email, code)
		token := verified.opensSession("Email has been verified successfully", one)
		verified.is("/body/account/_id", made.at("/body/_id")).is("/body/account/id", made.at("/body/id"))
		verify(email, code).refuses("/code", "")

		me := s.as(token).get("/auth/me").expect(200)
		me.is("/body", verified.at("/body/account"))
		s.as(token).get("/servers").expect(200).is("/body", []any{})
	}},

	{"AUTH-REGISTER-04", "mail registerAccount verifyEmail logIn", "a new registration of an address replaces one that is not verified, with its user name, its password and its code", func(s *session) {
		email, username := freshEmail(), "c."+unknownID()
		first := object{"email": email, "password": "the first passphrase", "username": username, "displayName": "One"}
		second := object{"email": strings.ToUpper(email), "password": "the second passphrase", "username": username, "displayName": "Two"}
		s.anonymous.post("/auth/register", first).expect(201)
		old := s.code(email)
		s.anonymous.post("/auth/register", second).expect(201).has("/body", object{"email": email, "username": username, "displayName": "Two", "verified": false})
		code := s.code(email)
		if old != code {
			s.anonymous.post("/auth/verify-email", object{"email": email, "code": old}).refuses("/code", "")
		}
		proof := object{"email": email, "code": code, "password": second["password"]}
		s.anonymous.post("/auth/verify-email", proof).expect(200).has("/body/account", object{"displayName": "Two", "verified": true})
		s.anonymous.post("/auth/login", object{"email": email, "password": first["password"]}).expect(401)
		s.anonymous.post("/auth/login", object{"email": email, "password": second["password"]}).expect(200)
		s.anonymous.post("/auth/register", second.and(object{"username": "c." + unknownID()})).expect(409)
		s.anonymous.post("/auth/register", second.and(object{"email": freshEmail()})).expect(409)
	}},

	{"AUTH-REGISTER-07", "mail registerAccount verifyEmail", "a user name goes to who verifies an address first, and the other account begins without one", func(s *session) {
		username := "c." + unknownID()
		register := func() (email string) {
			email = freshEmail()
			s.anonymous.post("/auth/register", object{"email": email, "password": "a passphrase", "username": username}).expect(201)
			return email
		}
		verified := func(email string) *answer {
			return s.anonymous.post("/auth/verify-email", object{"email": email, "code": s.code(email), "password": "a passphrase"}).expect(200)
		}
		slow, quick := register(), register()
		verified(quick).is("/body/account/username", username)
		verified(slow).is("/body/account/username", nil)
		s.anonymous.post("/auth/register", object{"email": freshEmail(), "password": "a passphrase", "username": username}).expect(409)
	}},

	{"AUTH-REGISTER-05", "mail resendCode verifyEmail logIn", "who verifies an address with the password that was registered keeps it, and another password is refused without ending the code", func(s *session) {
		registered := object{"email": freshEmail(), "password": "correct horse battery staple"}
		email := registered["email"].(string)
		s.anonymous.post("/auth/register", registered).expect(201)
		s.code(email)
		s.anonymous.post("/auth/resend-code", object{"email": email}).expect(200)
		proof := registered.and(object{"code": s.code(email)})
		s.anonymous.post("/auth/verify-email", proof.and(object{"password": "not the password"})).refuses("/password", "")
		s.anonymous.post("/auth/verify-email", proof).expect(200)
		s.anonymous.post("/auth/login", registered).expect(200)
	}},

	{"AUTH-REGISTER-06", "mail verifyEmail logIn", "who verifies an address without the password that was registered, also from the same network, has an account without a password", func(s *session) {
		registered := object{"email": freshEmail(), "password": "correct horse battery staple"}
		s.anonymous.post("/auth/register", registered).expect(201)
		s.anonymous.post("/auth/verify-email", object{"email": registered["email"], "code": s.code(registered["email"].(string))}).expect(200)
		s.anonymous.post("/auth/login", registered).expect(401)
	}},

	{"AUTH-PROFILE-01", "mail updateMe getMe", "a change of the profile touches what it names, and a user name has one account", func(s *session) {
		me := s.as(s.newcomer().token)
		name := "c." + unknownID()
		was := me.get("/auth/me").expect(200)
		change := object{"displayName": "Vera <b>M.</b> \u202e=1+1", "aboutMe": "ça va\n𝒳", "quote": "e\u0301", "username": name, "timeZone": "Europe/Berlin", "language": "de"}
		me.write("PATCH", "/auth/me", change).expect(200).says("Account has been updated successfully").has("/body", change)
		me.get("/auth/me").expect(200).has("/body", change.and(object{"firstName": was.at("/body/firstName"), "email": was.at("/body/email")}))
		me.write("PATCH", "/auth/me", object{"username": name}).expect(200)
		s.b.write("PATCH", "/auth/me", object{"username": name}).expect(409)
		me.write("PATCH", "/auth/me", object{"aboutMe": "a\x00b"}).refuses("/aboutMe", "")
		me.write("PATCH", "/auth/me", object{"quote": ""}).expect(200).has("/body", change.and(object{"quote": ""}))
	}},

	{"AUTH-DELETE-01", "mail deleteMe logIn servers channels messages", "who deletes their account needs the password and owns no server; the address is free, and what they have said reads deleted user", func(s *session) {
		who := account{email: freshEmail(), password: "correct horse battery staple"}
		registered := object{"email": who.email, "password": who.password}
		signUp := func() (token, number string) {
			s.anonymous.post("/auth/register", registered).expect(201)
			in := s.anonymous.post("/auth/verify-email", registered.and(object{"code": s.code(who.email)})).expect(200)
			return in.text("/body/token"), in.text("/body/account/id")
		}
		token, number := signUp()
		me := s.as(token)
		club := s.a.makesServer("Chess club")
		me.enters(club)
		said := me.says(s.a.makesChannel(club, "open", nil), "Hello")
		own := me.makesServer("Go club")

		me.write("DELETE", "/auth/me", object{}).refuses("/password", "")
		me.write("DELETE", "/auth/me", object{"password": "not the password"}).refuses("/password", "")
		me.write("DELETE", "/auth/me", object{"password": who.password}).expect(409)
		me.delete("/servers/" + own.id).expect(200)
		me.write("DELETE", "/auth/me", object{"password": who.password}).expect(200).says("Account has been deleted successfully").is("/body", object{})

		me.get("/auth/me").expect(401)
		s.anonymous.post("/auth/login", registered).expect(401)
		author := s.a.get("/apis/v1/messages/"+said).expect(200).is("/data/message", "Hello")
		author.has("/data/user", object{"display_name": "deleted user", "username": nil, "avatar": nil, "email": nil})
		members := s.a.get("/servers/" + club.id + "/members").expect(200)
		if slices.Contains(members.each("/body", "id"), number) {
			members.fail("still has the account %s", number)
		}

		again, other := signUp()
		if other == number {
			s.fail("the address has the account of before")
		}
		s.as(again).get("/servers").expect(200).is("/body", []any{})
		s.as(again).write("DELETE", "/auth/me", object{"password": who.password}).expect(200)
	}},

	{"AUTH-EXPORT-01", "mail exportMe servers channels messages", "an account is shown all that it has, to the end, and nothing of others", func(s *session) {
		newcomer := s.newcomer()
		me := s.as(newcomer.token)
		club := s.a.makesServer("Chess club")
		me.enters(club)
		channel := s.a.makesChannel(club, "open", nil)
		said, others := me.says(channel, "Hello"), s.a.says(channel, "Good day")

		export := me.get("/auth/me/export").expect(200).says("Account export")
		export.is("/body/account", me.get("/auth/me").expect(200).at("/body")).is("/body/complete", true)
		export.find("/body/communities", "serverId", club.id)
		export.find("/body/messages", "_id", said)
		if slices.Contains(export.each("/body/messages", "_id"), others) {
			export.fail("has a message of somebody else")
		}
		if strings.Contains(asJSON(export.value), newcomer.token) {
			export.fail("has the token of the session in it")
		}
	}},

	{"AUTH-SESSION-01", "mail logIn logOut", "logging in opens a session, and logging out ends that one at once", func(s *session) {
		newcomer := s.newcomer()
		in := s.anonymous.post("/auth/login", object{"email": strings.ToUpper(newcomer.email), "password": newcomer.password})
		token := in.opensSession("Logged in successfully", newcomer)
		if token == newcomer.token {
			in.fail("gives the token of an older session")
		}
		s.as(token).get("/auth/me").expect(200).is("/body", in.at("/body/account"))

		s.as(token).post("/auth/logout").expect(200).says("Logged out successfully").is("/body", object{})
		s.as(token).get("/auth/me").expect(401)
		s.as(token).post("/auth/logout").expect(401)
		s.as(newcomer.token).get("/auth/me").expect(200)
	}},

	{"AUTH-SESSIONS-01", "mail listSessions deleteSession deleteOtherSessions logIn", "an account sees its sessions, and ends one or all others at once", func(s *session) {
		newcomer := s.newcomer()
		in := func() (token, id string) {
			token = s.anonymous.post("/auth/login", object{"email": newcomer.email, "password": newcomer.password}).expect(200).text("/body/token")
			sessions := s.as(token).get("/auth/sessions").expect(200).says("Sessions")
			sessions.is("/body/0/current", true)
			return token, sessions.text("/body/0/_id")
		}
		first, id := in()
		second, own := in()
		if s.as(second).get("/auth/sessions").expect(200).find("/body", "_id", id); own == id {
			s.fail("two sessions have one id")
		}
		s.a.delete("/auth/sessions/" + id).expect(404)
		s.as(second).delete("/auth/sessions/" + unknownID()).expect(404)
		s.as(second).delete("/auth/sessions/"+id).expect(200).says("Session has been ended successfully").is("/body", object{})
		s.as(first).get("/auth/me").expect(401)
		s.as(second).delete("/auth/sessions/" + id).expect(404)

		third, _ := in()
		s.as(newcomer.token).delete("/auth/sessions").expect(200).says("All other sessions have been ended successfully").is("/body", object{})
		for _, ended := range []string{second, third} {
			s.as(ended).get("/auth/me").expect(401)
		}
		if left := s.as(newcomer.token).get("/auth/sessions").expect(200).list("/body"); len(left) != 1 {
			s.fail("%d sessions are left, want the own one", len(left))
		}
	}},

	{"AUTH-EVENTS-01", "mail listAuthEvents logIn", "who signs in, and who fails to, is among the events of the account", func(s *session) {
		newcomer := s.newcomer()
		s.anonymous.post("/auth/login", object{"email": newcomer.email, "password": "not the password"}).expect(401)
		token := s.anonymous.post("/auth/login", object{"email": newcomer.email, "password": newcomer.password}).expect(200).text("/body/token")
		id := s.as(token).get("/auth/sessions").expect(200).text("/body/0/_id")
		for deadline := time.Now().Add(mailPatience); ; time.Sleep(mailPause) {
			trail := s.as(token).get("/auth/events").expect(200).says("Account events")
			trail.find("/body", "sessionId", id)
			if slices.Contains(trail.each("/body", "kind"), "session.refuse") {
				break
			}
			if time.Now().After(deadline) || s.ctx.Err() != nil {
				trail.stop("does not tell of the attempt that failed")
			}
		}
		s.as(token).post("/auth/logout").expect(200)
	}},

	{"AUTH-TWOFACTOR-01", "mail startTwoFactor confirmTwoFactor deleteTwoFactor logIn", "with two-factor on, a password signs in only with a one-time code, and each works once", func(s *session) {
		newcomer := s.newcomer()
		me := s.as(newcomer.token)
		in := func(otp string) *answer {
			body := object{"email": newcomer.email, "password": newcomer.password}
			if otp != "" {
				body["otp"] = otp
			}
			return s.anonymous.post("/auth/login", body)
		}
		me.post("/auth/two-factor", object{"password": "not the password"}).refuses("/password", "")
		me.post("/auth/two-factor", object{}).refuses("/password", "")
		secret := me.post("/auth/two-factor", object{"password": newcomer.password}).expect(200).says("Two-factor has been started successfully").text("/body/secret")
		in("").expect(200)
		used := oneTimeCode(secret, time.Now())
		me.post("/auth/two-factor/confirm", object{"otp": otherCode(used)}).refuses("/otp", "")
		on := me.post("/auth/two-factor/confirm", object{"otp": used}).expect(200).says("Two-factor has been switched on successfully")
		if codes := on.list("/body/recoveryCodes"); len(codes) < 2 {
			on.stop("has %d recovery codes", len(codes))
		}
		me.get("/auth/me").expect(200).is("/body/twoFactor", true)
		in("").expect(401).is("/body/code", "two_factor_required")
		in(used).refuses("/otp", "")
		in(oneTimeCode(secret, time.Now().Add(30*time.Second))).expect(200)
		recovery := on.text("/body/recoveryCodes/0")
		in(recovery).expect(200)
		in(recovery).refuses("/otp", "")
		off := func(otp string) *answer { return me.with("One-Time-Code", otp).delete("/auth/two-factor") }
		off(recovery).refuses("header/One-Time-Code", "")
		off(on.text("/body/recoveryCodes/1")).expect(200).says("Two-factor has been switched off successfully").is("/body", object{})
		off(on.text("/body/recoveryCodes/0")).expect(409)
		me.get("/auth/me").expect(200).is("/body/twoFactor", false)
		in("").expect(200)
	}},

	{"AUTH-CODE-02", "mail resendCode verifyEmail", "a code that is mailed again ends the one before", func(s *session) {
		email := freshEmail()
		s.anonymous.post("/auth/register", object{"email": email, "password": "12345678"}).expect(201)
		first := s.code(email)
		s.anonymous.post("/auth/resend-code", object{"email": email}).expect(200).says(onItsWay).is("/body", object{})
		second := s.code(email)
		s.anonymous.post("/auth/verify-email", object{"email": email, "code": first}).refuses("/code", "")
		s.anonymous.post("/auth/verify-email", object{"email": email, "code": second}).expect(200)
	}},

	{"AUTH-CODE-03", "mail verifyEmail resetPassword", "a code is good for five tries", func(s *session) {
		register := func() (email, code string) {
			email = freshEmail()
			s.anonymous.post("/auth/register", object{"email": email, "password": "12345678"}).expect(201)
			return email, s.code(email)
		}
		guess := func(path, code string, more object) {
			for range 5 {
				s.anonymous.post(path, object{"code": otherCode(code)}.and(more)).refuses("/code", "")
			}
			s.anonymous.post(path, object{"code": code}.and(more)).refuses("/code", "")
		}
		email, code := register()
		guess("/auth/verify-email", code, object{"email": email})
		email, _ = register() // of another account, because backends limit by account, too
		s.anonymous.post("/auth/forgot-password", object{"email": email}).expect(200)
		guess("/auth/reset-password", s.code(email), object{"email": email, "password": "a longer passphrase"})
	}},

	{"AUTH-CODE-04", "mail verifyEmail resetPassword forgotPassword", "a code serves what it was mailed for and nothing else", func(s *session) {
		email := freshEmail()
		s.anonymous.post("/auth/register", object{"email": email, "password": "12345678"}).expect(201)
		verifies := s.code(email)
		reset := object{"email": email, "code": verifies, "password": "a longer passphrase"}
		s.anonymous.post("/auth/reset-password", reset).refuses("/code", "")
		s.anonymous.post("/auth/forgot-password", object{"email": email}).expect(200)
		s.anonymous.post("/auth/verify-email", object{"email": email, "code": s.code(email)}).refuses("/code", "")
		s.anonymous.post("/auth/verify-email", object{"email": email, "code": verifies}).expect(200)
	}},

	{"AUTH-PASSWORD-02", "mail forgotPassword resetPassword logIn", "a new password verifies the address to which its code was mailed", func(s *session) {
		newcomer := account{email: freshEmail(), password: "a longer passphrase"}
		s.anonymous.post("/auth/register", object{"email": newcomer.email, "password": "12345678"}).expect(201)
		s.code(newcomer.email)
		s.anonymous.post("/auth/forgot-password", object{"email": newcomer.email}).expect(200)
		s.anonymous.post("/auth/reset-password", object{
			"email": newcomer.email, "code": s.code(newcomer.email), "password": newcomer.password,
		}).opensSession("Password has been reset successfully", newcomer)
		s.anonymous.post("/auth/login", object{"email": newcomer.email, "password": newcomer.password}).expect(200)
	}},

	{"AUTH-PASSWORD-03", "mail changePassword logIn", "who knows the present password changes it, and every other session ends", func(s *session) {
		newcomer := s.newcomer()
		other := s.anonymous.post("/auth/login", object{"email": newcomer.email, "password": newcomer.password}).expect(200).text("/body/token")
		change := func(present, next string) *answer {
			return s.as(newcomer.token).post("/auth/change-password", object{"password": present, "newPassword": next})
		}
		change("not the password", "a changed passphrase").refuses("/password", "")
		s.as(other).get("/auth/me").expect(200)
		change(newcomer.password, "a changed passphrase").expect(200).says("Password has been changed successfully").is("/body", object{})
		s.as(other).get("/auth/me").expect(401)
		s.as(newcomer.token).get("/auth/me").expect(200)
		s.anonymous.post("/auth/login", object{"email": newcomer.email, "password": newcomer.password}).expect(401)
		newcomer.password = "a changed passphrase"
		s.keep(newcomer)
		s.anonymous.post("/auth/login", object{"email": newcomer.email, "password": newcomer.password}).expect(200)
	}},

	{"AUTH-PASSWORD-01", "mail forgotPassword resetPassword", "a new password ends the old one and every other session", func(s *session) {
		newcomer := s.newcomer()
		s.anonymous.post("/auth/forgot-password", object{"email": newcomer.email}).expect(200).says(onItsWay).is("/body", object{})
		s.as(newcomer.token).get("/auth/me").expect(200)

		old := newcomer
		newcomer.password = "a longer passphrase"
		reset := s.anonymous.post("/auth/reset-password", object{
			"email": newcomer.email, "code": s.code(newcomer.email), "password": newcomer.password,
		})
		newcomer.token = reset.opensSession("Password has been reset successfully", newcomer)
		s.keep(newcomer)

		s.as(old.token).get("/auth/me").expect(401)
		s.as(newcomer.token).get("/auth/me").expect(200)
		s.anonymous.post("/auth/login", object{"email": old.email, "password": old.password}).expect(401)
		s.anonymous.post("/auth/login", object{"email": newcomer.email, "password": newcomer.password}).expect(200)
	}},
}

// host is that at which the backend is asked.
func (s *session) host() string {
	at, err := url.Parse(s.suite.url)
	if err != nil {
		s.stop("%s is no address: %v", s.suite.shown, err)
	}
	return at.Host
}

// signsIn asks for an address that signs a member in, as the site of a community does.
func (k key) signsIn(username string, more object) *answer {
	query := url.Values{"action": {"login"}, "userId": {username}}
	for name, value := range more {
		query.Set(name, fmt.Sprint(value))
	}
	return k.anonymous.with("apiKey", k.whole).with("hostname", k.host()).get("/api/secureAuth?" + query.Encode())
}

// member is the user name of a member whom a key has made.
func (c caller) member(club club) string {
	name := "conf-" + unknownID()
	c.makesKey(club, "createUser").makesUser(object{"username": name}).expect(201)
	return name
}

// opens wants an address to sign in who follows it, and to lead on, and returns the cookie.
func (a *answer) opens(to string) string {
	got := a.anonymous.get(a.text("/loginUrl")).anyOf(http.StatusFound, http.StatusSeeOther)
	if at := got.header.Get("Location"); at != to && !strings.HasSuffix(at, a.host()+to) {
		got.fail("leads to %s, want %s", at, to)
	}
	set, err := http.ParseSetCookie(got.header.Get("Set-Cookie"))
	if err != nil || !set.HttpOnly || !set.Secure || set.SameSite != http.SameSiteLaxMode {
		got.stop("the cookie must be HttpOnly, Secure and SameSite=Lax, and the header is %q", got.header.Get("Set-Cookie"))
	}
	return set.Name + "=" + set.Value
}

// opensNot wants it to sign nobody in.
func (s *session) opensNot(what, address string) {
	got := s.anonymous.get(address)
	if got.status < 400 || got.status > 499 || got.header.Get("Set-Cookie") != "" {
		got.fail("%s: is answered %d, want a page that says why not, with a status from 400 on", what, got.status)
	}
}

// secure are the test cases of Secure Auth.
var secure = []testCase{
	{"AUTH-SECURE-01", "secureAuth getServer keys users", "an address signs its member in once, to the pages of the community, and says nothing of the key", func(s *session) {
		club := s.a.makesServer("Chess club")
		name, key := s.a.member(club), s.a.makesKey(club, "secureAuth")
		made := key.signsIn(name, nil).expect(200)
		address := made.text("/loginUrl")
		if strings.Contains(address, key.whole) {
			made.fail("the address has the API key in it")
		}
		cookie := made.opens("/c/" + club.id)
		s.opensNot("again", address)
		visitor := s.anonymous.with("Cookie", cookie)
		visitor.get(s.suite.url + "/c/" + club.id).expect(200)
		visitor.get(s.suite.url+"/c/"+s.a.makesServer("Go club").id).anyOf(401, 403, 404)
		visitor.get(club.path("")).expect(401)
	}},
	{"AUTH-SECURE-02", "secureAuth keys users", "whoever looks at an address before, or is on another host, does not end it", func(s *session) {
		club := s.a.makesServer("Chess club")
		made := s.a.makesKey(club, "secureAuth").signsIn(s.a.member(club), nil).expect(200)
		address := made.text("/loginUrl")
		s.anonymous.send("HEAD", address, "", nil)
		s.anonymous.with("Sec-Purpose", "prefetch").get(address)
		s.opensNot("on another host", strings.Replace(address, "host="+url.QueryEscape(s.host()), "host=elsewhere.example", 1))
		made.opens("/c/" + club.id)
	}},
	{"AUTH-SECURE-03", "secureAuth keys users", "nobody but members of the community of the key is signed in, and on no other host", func(s *session) {
		club, other := s.a.makesServer("Chess club"), s.a.makesServer("Go club")
		name, stranger, key := s.a.member(club), s.a.member(other), s.a.makesKey(club, "secureAuth")
		unknown := key.signsIn("no"+unknownID()[:12], nil).expect(404)
		key.signsIn(stranger, nil).expect(404).isLike(unknown)
		key.signsIn(name, object{"email": freshEmail()}).expect(404)
		s.a.makesKey(other, "secureAuth").signsIn(name, nil).expect(404)
		good := s.anonymous.with("apiKey", key.whole)
		path := "/api/secureAuth?action=login&userId=" + name
		good.with("hostname", "elsewhere.example").get(path).refuses("header/hostname", "not_allowed")
		good.with("hostname", s.host()).with("x-api-key", key.whole).get(path).expect(200)
		good.with("hostname", s.host()).with("x-api-key", s.a.makesKey(club, "secureAuth").whole).get(path).expect(401)
		s.anonymous.with("apiKey", strings.Repeat("0", 64)).with("hostname", s.host()).get(path).expect(401)
	}},
	{"AUTH-SECURE-04", "secureAuth keys users", "with an address and createUser, a member is made whose name nobody has", func(s *session) {
		club := s.a.makesServer("Chess club")
		name, email := "conf-"+unknownID(), freshEmail()
		both := s.a.makesKey(club, "secureAuth", "createUser")
		who := object{"email": email, "firstname": "Ada", "displayname": "Ada Doe"}
		s.a.makesKey(club, "secureAuth").signsIn(name, who).expect(404)
		both.signsIn(name, who.and(object{"accessLevel": 7})).refuses("query/accessLevel", "not_allowed")
		both.signsIn(name, who).expect(200).opens("/c/" + club.id)
		both.signsIn(name, who).expect(200)
		both.signsIn("conf-"+unknownID(), who).expect(404)
		s.a.get(club.path("/members")).expect(200).is("/meta/total", 2)
	}},
	{"AUTH-SECURE-05", "secureAuth updateServerSettings keys users", "who is signed in goes on to the application of the community, if there is one", func(s *session) {
		club := s.a.makesServer("Chess club")
		const app = "https://chess.example/app?a=1"
		s.a.write("PATCH", club.path("/settings"), object{"appUrl": app, "domains": []any{"chess.example"}}).expect(200)
		key, name := s.a.makesKey(club, "secureAuth"), s.a.member(club)
		key.signsIn(name, nil).expect(200).opens(app)
		at := s.anonymous.with("apiKey", key.whole).with("hostname", "Chess.Example").get("/api/secureAuth?action=login&userId=" + name).expect(200)
		if !strings.HasPrefix(at.text("/loginUrl"), "https://chess.example/") {
			at.fail("the address is not on the host that was asked for")
		}
	}},
}

// oneTimeCode is the code of a secret in base 32 at a time, by RFC 6238.
func oneTimeCode(secret string, at time.Time) string {
	key, _ := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(secret, "="))
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	from := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[from:])&0x7fffffff%1_000_000)
}

// otherCode is well formed and not this one.
func otherCode(code string) string {
	if code == "" || code[0] == '9' {
		return "000000"
	}
	return "9" + code[1:]
}
