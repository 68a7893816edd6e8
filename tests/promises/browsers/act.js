// Does one thing to `url` as a page can, and says what the page learns of it: `-` for nothing.
async (action, credentials, url, token) => {
  const settled = (begin) => new Promise(begin);
  const read = async (init) => {
    try {
      const answer = await fetch(url, { credentials, ...init });
      if (answer.type === 'opaque') return '-';
      const body = await answer.text();
      const own = answer.status !== 200 || body.includes(new URL(url).pathname);
      return { status: answer.status, own, fields: [...answer.headers.keys()].sort() };
    } catch {
      return '-';
    }
  };
  const load = (name, attributes, learned) => settled((done) => {
    const element = Object.assign(document.createElement(name), attributes);
    element.onload = () => done(learned);
    element.onerror = () => done('-');
    document.head.append(element);
  });
  const leave = (name, attributes, go) => {
    const element = Object.assign(document.createElement(name), attributes);
    document.documentElement.append(element);
    element[go]();
    return '-';
  };
  const form = (target) => {
    const input = '<input name=to value=mallory>';
    return leave('form', { action: url, method: 'POST', enctype: 'text/plain', target, innerHTML: input }, 'submit');
  };
  const frame = () => {
    const name = 'frame' + Math.random();
    document.documentElement.append(Object.assign(document.createElement('iframe'), { name }));
    return name;
  };
  const text = { 'content-type': 'text/plain' };
  const json = { 'content-type': 'application/json' };
  const actions = {
    'get': () => read({}),
    'get+field': () => read({ headers: { 'x-asked': '1' } }),
    'get+unlisted': () => read({ headers: { 'x-unlisted': '1' } }),
    'get+token': () => read({ headers: { authorization: `Bearer ${token}` } }),
    'post-text': () => read({ method: 'POST', headers: text, body: 'a' }),
    'post-json': () => read({ method: 'POST', headers: json, body: '{}' }),
    'post-large': () => read({ method: 'POST', headers: text, body: 'a'.repeat(5000) }),
    'delete': () => read({ method: 'DELETE' }),
    'put': () => read({ method: 'PUT', headers: text, body: 'a' }),
    'admin': () => read({}),
    'blind-get': () => read({ mode: 'no-cors' }),
    'blind-post': () => read({ mode: 'no-cors', method: 'POST', headers: text, body: 'a' }),
    'beacon': () => (navigator.sendBeacon(url, 'a'), '-'),
    'form-frame': () => form(frame()),
    'form-bounce': () => form(frame()),
    'form-window': () => form('_blank'),
    'link': () => leave('a', { href: url, target: '_blank' }, 'click'),
    'image': () => load('img', { src: url }, 'shown'),
    'image-cors': () => load('img', { crossOrigin: credentials === 'omit' ? 'anonymous' : 'use-credentials', src: url }, 'shown'),
    'script': () => load('script', { src: url }, 'ran'),
    'events': () => settled((done) => {
      const source = new EventSource(url, { withCredentials: credentials === 'include' });
      const end = (learned) => () => (source.close(), done(learned));
      source.onmessage = end('event');
      source.onerror = end('-');
    }),
    'socket': () => settled((done) => {
      const socket = new WebSocket(url.replace('https:', 'wss:'));
      socket.onopen = () => socket.send('hello');
      socket.onmessage = () => (socket.close(), done('echo'));
      socket.onerror = () => done('-');
    }),
  };
  return actions[action]();
}
